//! `/admin/v1/audit`, `/usage` and `/stats/latest/instance`.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::respond::{self, Response};
use super::problem::Problem;
use super::{Context, page};
use crate::oauth::change::AuditEvent;
use crate::oauth::ids::ClientId;
use crate::oauth::time::Timestamp;
use crate::oauth::user::UserId;
use crate::store::DayCounts;

const DAY: u64 = 86_400;

/// How far back a report goes that says no `from`, in seconds: 30 days.
const REPORTED: u64 = 30 * DAY;

impl Context<'_> {
    /// The audit trail: of one client, of one user, of a client and a user, or of everything, where a day is the longest time.
    pub(super) async fn list_audit(&self) -> Result<Response, Problem> {
        self.caller.require("audit.read")?;
        let limit = self.limit()?;
        let cursor = self.cursor()?;
        let (by_client, by_user) = (self.request.query("client_id").is_some(), self.request.query("user_id"));
        let listed = match by_user {
            Some(user_id) => {
                let user_id = UserId::parse(user_id).ok_or_else(|| Problem::parameter("user_id", "must name a user"))?;
                let client_id = by_client.then(|| self.client_id()).transpose()?;
                let span = self.span(|to| to.minus(REPORTED))?;
                let mut listed = self.store().list_user_audit(&user_id, span, cursor.as_deref(), limit).await?;
                listed.items.retain(|event| client_id.is_none() || event.client_id == client_id);
                listed
            }
            None if by_client => {
                let span = self.span(|to| to.minus(REPORTED))?;
                self.store().list_client_audit(&self.client_id()?, span, cursor.as_deref(), limit).await?
            }
            None => {
                let (from, to) = self.span(|to| to.minus(to.unix() % DAY))?;
                if from.day() != to.day() {
                    return Err(Problem::parameter("from", "must be on the same UTC day as to, unless client_id or user_id is given"));
                }
                self.store().list_day_audit((from, to), cursor.as_deref(), limit).await?
            }
        };
        Ok(page(listed.items.iter().map(shown_event).collect(), listed.next))
    }

    /// Counts per client and day.
    pub(super) async fn usage(&self) -> Result<Response, Problem> {
        self.caller.require("stats.read")?;
        let client_id = self.client_id()?;
        let (from, to) = self.span(|to| to.minus(REPORTED))?;
        let days = self.store().counts(Some(&client_id), &from.day(), &to.day()).await?;
        Ok(page(days.iter().map(|day| shown_day(day, Some(&client_id))).collect(), None))
    }

    /// Counts of the whole server per day, the latest first.
    pub(super) async fn stats(&self) -> Result<Response, Problem> {
        self.caller.require("stats.read")?;
        let (from, to) = self.span(|to| to.minus(REPORTED))?;
        let days = self.store().counts(None, &from.day(), &to.day()).await?;
        Ok(respond::json(StatusCode::OK, &json!({"items": days.iter().rev().map(|day| shown_day(day, None)).collect::<Vec<_>>()})))
    }

    /// `?from=` and `?to=`; by default up to now, from the time that goes with that end.
    fn span(&self, default_from: impl FnOnce(Timestamp) -> Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
        let time = |name, default: Timestamp| match self.request.query(name) {
            None => Ok(default),
            Some(text) => Timestamp::parse_rfc3339(text).ok_or_else(|| Problem::parameter(name, "must be an RFC 3339 time")),
        };
        let to = time("to", self.fresh.now)?;
        Ok((time("from", default_from(to))?, to))
    }
}

fn shown_event(event: &AuditEvent) -> Value {
    let mut shown = serde_json::to_value(event).unwrap_or_default();
    if let Some(members) = shown.as_object_mut() {
        members.insert("time".to_owned(), event.time.rfc3339().into());
    }
    shown
}

fn shown_day(day: &DayCounts, client_id: Option<&ClientId>) -> Value {
    let mut members: Map<String, Value> = day.counts.iter().map(|(name, count)| (name.clone(), json!(count))).collect();
    members.insert("log_day".to_owned(), day.day.as_str().into());
    if let Some(client_id) = client_id {
        members.insert("client_id".to_owned(), client_id.as_str().into());
        // Users come with the next release of the admin API; until then every principal is a client.
        members.insert("principal".to_owned(), "client".into());
    }
    Value::Object(members)
}
