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
use crate::store::{Count, DayCounts, OF_USERS};

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

    /// Counts per client, kind of principal and day.
    pub(super) async fn usage(&self) -> Result<Response, Problem> {
        self.caller.require("stats.read")?;
        let client_id = self.client_id()?;
        let (from, to) = self.span(|to| to.minus(REPORTED))?;
        let days = self.store().counts(Some(&client_id), &from.day(), &to.day()).await?;
        Ok(page(days.iter().flat_map(|day| shown_usage(day, &client_id)).collect(), None))
    }

    /// Counts of the whole server per day, the latest first.
    pub(super) async fn stats(&self) -> Result<Response, Problem> {
        self.caller.require("stats.read")?;
        let (from, to) = self.span(|to| to.minus(REPORTED))?;
        let days = self.store().counts(None, &from.day(), &to.day()).await?;
        Ok(respond::json(
            StatusCode::OK,
            &json!({"items": days.iter().rev().map(|day| shown_counts(&day.day, day.counts.iter())).collect::<Vec<_>>()}),
        ))
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

/// A client's counts of a day: its own, those of its users, and those of whoever called with an anonymous key of it.
fn shown_usage(day: &DayCounts, client_id: &ClientId) -> Vec<Value> {
    let of_kind = |kind: &str| {
        let counts = day.counts.iter().filter(|(name, _)| principal_of(name) == kind);
        let counts: Vec<_> = counts.map(|(name, count)| (name.trim_start_matches(OF_USERS), count)).collect();
        let mut shown = (!counts.is_empty()).then(|| shown_counts(&day.day, counts.into_iter()))?;
        if let Some(members) = shown.as_object_mut() {
            members.insert("client_id".to_owned(), client_id.as_str().into());
            members.insert("principal".to_owned(), kind.into());
        }
        Some(shown)
    };
    ["client", "user", "anonymous"].into_iter().filter_map(of_kind).collect()
}

/// The kind of principal whose doing is counted under this name.
fn principal_of(name: &str) -> &'static str {
    match name {
        name if name.starts_with(OF_USERS) => "user",
        name if name == Count::CallsAnonymous.name() => "anonymous",
        _ => "client",
    }
}

fn shown_counts<'a>(day: &str, counts: impl Iterator<Item = (impl AsRef<str>, &'a u64)>) -> Value {
    let mut members: Map<String, Value> = counts.map(|(name, count)| (name.as_ref().to_owned(), json!(count))).collect();
    members.insert("log_day".to_owned(), day.into());
    Value::Object(members)
}
