//! Everything that a principal may call, written as a policy once and kept for as long as nothing of it changes. All tokens of a client with the
//! same scope share it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::RawValue;

use super::memory::Sight;
use crate::oauth::access_token::Claims;
use crate::oauth::api::Apis;
use crate::oauth::client::Client;
use crate::oauth::gates::Call;
use crate::oauth::ids::{ClientId, Name};
use crate::oauth::rights::{LONGEST_RESOURCE, rights};
use crate::oauth::route::Principal;
use crate::oauth::route_table::RouteTable;
use crate::oauth::user::Person;

/// How long an answer may be, in bytes: what API Gateway documents for a policy.
const LONGEST_ANSWER: usize = 8_192;

/// What an answer has beside its resources and what the principal brings along, in bytes.
const FRAME: usize = 900;

/// How many policies are kept; beyond it all are forgotten, and written again as they are needed.
const MOST_POLICIES: usize = 1_000;

/// What was written last for a token.
#[derive(Debug, Default)]
pub struct Written(Mutex<Option<Arc<Memo>>>);

/// What was written for all of them.
#[derive(Debug, Default)]
pub struct Policies(Mutex<HashMap<Holder, Arc<Memo>>>);

/// What of a token its rights depend on.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Holder {
    client_id: ClientId,
    sub: String,
    aud: String,
    scope: String,
    stage: String,
}

#[derive(Debug)]
struct Memo {
    stage: String,
    apis: Arc<Apis>,
    client: Option<Arc<Client>>,
    person: Option<Arc<Person>>,
    table: Option<Arc<RouteTable>>,
    resources: Option<Arc<Resources>>,
}

/// The resources of a policy, as JSON lists.
#[derive(Debug)]
pub struct Resources {
    /// What is allowed.
    pub allow: Box<RawValue>,
    /// What is denied in spite of that; `None`: nothing.
    pub deny: Option<Box<RawValue>>,
}

impl Written {
    /// Everything that the principal may call on the stage whose ARNs begin with `stage`; `None` where a policy cannot say it.
    pub fn resources(&self, policies: &Policies, principal: &Principal<'_>, (stage, call): (&str, &Call), sight: &Sight) -> Option<Arc<Resources>> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = |memo: &&Arc<Memo>| {
            memo.stage == stage
                && Arc::ptr_eq(&memo.apis, &sight.apis)
                && same(memo.client.as_ref(), sight.client.as_ref())
                && same(memo.person.as_ref(), sight.person.as_ref())
                && same(memo.table.as_ref(), sight.table.as_ref())
        };
        if let Some(memo) = written.as_ref().filter(is_current) {
            return memo.resources.clone();
        }
        let Claims { client_id, sub, aud, scope, .. } = principal.claims;
        let (client_id, sub, aud, scope) = (client_id.clone(), sub.clone(), aud.clone(), scope.clone());
        let holder = Holder { client_id, sub, aud, scope, stage: stage.to_owned() };
        let mut policies = policies.0.lock().unwrap_or_else(PoisonError::into_inner);
        let memo = match policies.get(&holder).filter(is_current) {
            Some(memo) => Arc::clone(memo),
            None => {
                let resources = write(principal, stage, call, &sight.apis, sight.table.as_ref()).map(Arc::new);
                let (client, person, table) = (sight.client.clone(), sight.person.clone(), sight.table.clone());
                let memo = Memo { stage: stage.to_owned(), apis: Arc::clone(&sight.apis), client, person, table, resources };
                if policies.len() >= MOST_POLICIES {
                    policies.clear();
                }
                let memo = Arc::new(memo);
                policies.insert(holder, Arc::clone(&memo));
                memo
            }
        };
        written.insert(memo).resources.clone()
    }
}

fn same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn write(principal: &Principal<'_>, stage: &str, call: &Call, apis: &Apis, table: Option<&Arc<RouteTable>>) -> Option<Resources> {
    let claims = principal.claims;
    let roles: usize = principal.roles().iter().map(|role: &Name| role.as_str().len() + 1).sum();
    let context = 2 * claims.sub.len() + claims.scope.len() + claims.aud.len() + roles;
    let left = LONGEST_ANSWER.checked_sub(FRAME + LONGEST_RESOURCE + context)?;
    let rights = rights(principal, &call.gateway, stage, apis, table.map(AsRef::as_ref), left)?;
    // A policy that allows nothing is a denial of the one call, and right for every other.
    let list = |resources: &[String]| serde_json::value::to_raw_value(resources).ok().filter(|_| !resources.is_empty());
    Some(Resources { allow: list(&rights.allow)?, deny: list(&rights.deny) })
}
