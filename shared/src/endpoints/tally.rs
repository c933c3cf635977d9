//! Counting without writing: what happens is added up in memory and goes to the table on a request that finds it a minute old.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use crate::oauth::access_token::{Claims, SubjectType};
use crate::oauth::change::AuditEvent;
use crate::oauth::fresh::Fresh;
use crate::oauth::ids::{ClientId, Name};
use crate::oauth::time::Timestamp;
use crate::oauth::user::UserId;
use crate::store::{Count, Store, StoreError};

/// How old counts may become before a request takes them along, in seconds.
const FLUSH_AFTER: u64 = 60;

/// How many lines are written at the latest: so that the request that takes them along waits for few writes, however many users call.
const FULL: usize = 100;

/// What this instance has counted and not written yet.
///
/// An instance that is recycled takes it along: it is for reports and for the audit trail of calls, and no request pays for it.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Vec<Day>>);

/// Something that happened once.
#[derive(Debug, Clone, Copy)]
pub struct Happened<'a> {
    /// What.
    pub count: Count,
    /// Of the token that it happened to or with: whose it is.
    pub claims: Option<&'a Claims>,
    /// The Api that it happened on.
    pub api: Option<&'a Name>,
    /// Why, where it is a refusal.
    pub reason: Option<&'static str>,
}

impl Happened<'_> {
    /// Something that needs no more words.
    pub fn plain(count: Count) -> Self {
        Self { count, claims: None, api: None, reason: None }
    }
}

#[derive(Debug)]
struct Day {
    since: Timestamp,
    server: BTreeMap<Count, u64>,
    clients: HashMap<ClientId, Vec<Line>>,
    lines: usize,
}

#[derive(Debug)]
struct Line {
    count: Count,
    sub: Option<String>,
    sub_type: Option<SubjectType>,
    api: Option<Name>,
    reason: Option<&'static str>,
    number: u64,
    last: Timestamp,
}

impl Tally {
    /// Counts what happened to this client, if one is known, and to the server.
    pub fn add(&self, client_id: Option<&ClientId>, happened: Happened<'_>, now: Timestamp) {
        let mut days = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_today = |day: &Day| day.since.unix() / 86_400 == now.unix() / 86_400;
        if !days.last().is_some_and(is_today) {
            days.push(Day { since: now, server: BTreeMap::new(), clients: HashMap::new(), lines: 0 });
        }
        let Some(today) = days.last_mut() else { return };
        *today.server.entry(happened.count.by_anybody()).or_default() += 1;
        let Some(client_id) = client_id else { return };
        let lines = match today.clients.get_mut(client_id) {
            Some(lines) => lines,
            None => today.clients.entry(client_id.clone()).or_default(),
        };
        let Happened { count, claims, api, reason } = happened;
        let (sub, sub_type) = (claims.map(|claims| claims.sub.as_str()), claims.map(|claims| claims.sub_type));
        let count = sub_type.map_or(count, |sub_type| count.by(sub_type));
        let is_same = |line: &&mut Line| line.count == count && line.sub.as_deref() == sub && line.reason == reason && line.api.as_ref() == api;
        match lines.iter_mut().find(is_same) {
            Some(line) => (line.number, line.last) = (line.number + 1, now),
            None => {
                lines.push(Line { count, sub: sub.map(str::to_owned), sub_type, api: api.cloned(), reason, number: 1, last: now });
                today.lines += 1;
            }
        }
    }

    /// Writes what was counted if it is due. A failure is logged and the counts are lost: they must not fail a request.
    pub async fn flush_if_due(&self, store: &Store, fresh: &Fresh) {
        let is_due =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|day| day.lines >= FULL || fresh.now.since(day.since) >= FLUSH_AFTER);
        if is_due {
            Box::pin(self.flush(store, fresh)).await;
        }
    }

    /// Writes what was counted. The first failure ends it: a request waits once for a table that does not answer, not once per client.
    pub async fn flush(&self, store: &Store, fresh: &Fresh) {
        let days = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if let Err(error) = write(days, store, fresh).await {
            log::warn!(reason = error.to_string(); "counts were lost");
        }
    }
}

/// Sums per day, and a line of the audit trail for each kind of thing that happened to a client or to one of its users.
async fn write(days: Vec<Day>, store: &Store, fresh: &Fresh) -> Result<(), StoreError> {
    let mut audits = Vec::new();
    for Day { since, server, clients, .. } in days {
        let day = since.day();
        store.add_counts(None, &day, &server).await?;
        for (client_id, lines) in clients {
            let mut sums: BTreeMap<Count, u64> = BTreeMap::new();
            for line in &lines {
                *sums.entry(line.count).or_default() += line.number;
            }
            store.add_counts(Some(&client_id), &day, &sums).await?;
            for (at, line) in lines.iter().enumerate() {
                if let Some(event) = line.audit(&client_id) {
                    // The local runner writes several tallies at once: what is counted keeps their entries apart.
                    audits.push((event, fresh.id(&format!("{client_id} {day} {} {at}", line.count.name()))));
                }
            }
        }
    }
    store.put_audits(&audits).await
}

impl Line {
    fn audit(&self, client_id: &ClientId) -> Option<AuditEvent> {
        let (event, outcome) = match self.count.by_anybody() {
            Count::TokensIssued => ("token.issued", "done"),
            Count::TokensRefused => ("token.refused", "refused"),
            Count::CallsAllowed => ("call.allowed", "done"),
            Count::CallsDenied => ("call.denied", "refused"),
            // A revocation has its own entry; who introspects and who calls without credentials is counted, not audited.
            _ => return None,
        };
        let sub = self.sub.as_deref();
        Some(AuditEvent {
            client_id: Some(client_id.clone()),
            user_id: sub.filter(|_| self.sub_type == Some(SubjectType::User)).and_then(UserId::parse),
            sub: sub.map(str::to_owned),
            sub_type: self.sub_type,
            object: self.api.as_ref().map(Name::to_string),
            outcome: outcome.to_owned(),
            reason: self.reason.map(str::to_owned),
            count: Some(self.number),
            ..AuditEvent::done(self.last, event, sub.unwrap_or(client_id.as_str()))
        })
    }
}
