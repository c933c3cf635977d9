//! Counts per client and day. They are added up in memory and written now and then, so that no request waits for them.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{Item, text};
use super::key::Key;
use super::{Store, StoreError, unavailable};
use crate::oauth::access_token::SubjectType;
use crate::oauth::ids::ClientId;

/// Something that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Count {
    /// A token was issued.
    TokensIssued,
    /// A token request was refused.
    TokensRefused,
    /// A token was introspected.
    Introspections,
    /// A token was revoked.
    TokensRevoked,
    /// The authorizer let a call pass.
    CallsAllowed,
    /// The authorizer refused a call.
    CallsDenied,
    /// The authorizer let a call pass that came without credentials.
    CallsAnonymous,
    /// A token was issued that speaks for a user.
    UserTokensIssued,
    /// The authorizer let a call of a user pass.
    UserCallsAllowed,
    /// The authorizer refused a call of a user.
    UserCallsDenied,
}

/// How the names begin of what is counted for a client's users apart from the client itself.
pub const OF_USERS: &str = "user_";

impl Count {
    /// The name of the attribute, and of the member in the admin API's answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::TokensIssued => "tokens_issued",
            Self::TokensRefused => "tokens_refused",
            Self::Introspections => "introspections",
            Self::TokensRevoked => "tokens_revoked",
            Self::CallsAllowed => "calls_allowed",
            Self::CallsDenied => "calls_denied",
            Self::CallsAnonymous => "calls_anonymous",
            Self::UserTokensIssued => "user_tokens_issued",
            Self::UserCallsAllowed => "user_calls_allowed",
            Self::UserCallsDenied => "user_calls_denied",
        }
    }

    /// The same of this kind of principal.
    pub fn by(self, principal: SubjectType) -> Self {
        match (principal, self) {
            (SubjectType::User, Self::TokensIssued) => Self::UserTokensIssued,
            (SubjectType::User, Self::CallsAllowed) => Self::UserCallsAllowed,
            (SubjectType::User, Self::CallsDenied) => Self::UserCallsDenied,
            (_, count) => count,
        }
    }

    /// The same whoever it was: the server's own counts do not tell them apart.
    pub fn by_anybody(self) -> Self {
        match self {
            Self::UserTokensIssued => Self::TokensIssued,
            Self::UserCallsAllowed => Self::CallsAllowed,
            Self::UserCallsDenied => Self::CallsDenied,
            count => count,
        }
    }
}

/// The counts of one day, by name.
#[derive(Debug, PartialEq, Eq)]
pub struct DayCounts {
    /// The UTC day (`2026-11-20`).
    pub day: String,
    /// What was counted.
    pub counts: BTreeMap<String, u64>,
}

impl Store {
    /// Adds to the counts of a client, or of the whole server, on `day`.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn add_counts(&self, client_id: Option<&ClientId>, day: &str, counts: &BTreeMap<Count, u64>) -> Result<(), StoreError> {
        let key = client_id.map_or(Key::Stats { day }, |client_id| Key::Usage { client_id, day });
        let mut update = self.client.update_item().table_name(&self.table).set_key(Some(key.attributes()));
        let mut additions = Vec::new();
        for (place, (count, number)) in counts.iter().enumerate() {
            additions.push(format!("#{place} :{place}"));
            update = update
                .expression_attribute_names(format!("#{place}"), count.name())
                .expression_attribute_values(format!(":{place}"), AttributeValue::N(number.to_string()));
        }
        update.update_expression(format!("ADD {}", additions.join(", "))).send().await.map_err(unavailable)?;
        Ok(())
    }

    /// The counts of a client, or of the whole server, from one UTC day to another, oldest first.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn counts(&self, client_id: Option<&ClientId>, from_day: &str, to_day: &str) -> Result<Vec<DayCounts>, StoreError> {
        let partition = client_id.map_or(Key::Stats { day: "" }, |client_id| Key::Usage { client_id, day: "" }).partition();
        // `items` leaves its start out; the day before any time of `from_day` is a prefix of it.
        let start = from_day.get(..from_day.len().saturating_sub(1)).unwrap_or_default();
        let items = self.items(&partition, start, to_day).await?;
        Ok(items.iter().filter(|item| text(item, "sk").is_some_and(|day| day >= from_day)).map(day_counts).collect())
    }
}

fn day_counts(item: &Item) -> DayCounts {
    let number = |value: &AttributeValue| value.as_n().ok().and_then(|digits| digits.parse().ok());
    DayCounts {
        day: text(item, "sk").unwrap_or_default().to_owned(),
        counts: item.iter().filter_map(|(name, value)| number(value).map(|number| (name.clone(), number))).collect(),
    }
}
