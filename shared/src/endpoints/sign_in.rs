//! Checking a user's password or a client's secret: the same steps wherever one is presented, so that guessing costs the same everywhere.

use std::net::IpAddr;

use super::respond::Refusal;
use crate::oauth::client::Client;
use crate::oauth::client_auth::{AuthenticatedClient, Credentials, authenticate};
use crate::oauth::fresh::Fresh;
use crate::oauth::password::{Password, nobodys_work};
use crate::oauth::sign_in::{Attempts, FREE_FOR_ACCOUNT, FREE_FOR_SOURCE};
use crate::oauth::user::{User, canonical_username};
use crate::store::{Commit, Key, Store, StoreError};

/// How often a try that met another one of the same account is noted again.
const ATTEMPTS: usize = 4;

/// How a try ended.
#[derive(Debug)]
pub(super) enum SignIn {
    /// The password is this user's, and the user is active.
    Good(Box<User>),
    /// It is nobody's: the caller never learns whether the user exists (LO-06).
    Wrong,
    /// Too many tries: this many seconds before the next.
    Wait(u64),
}

/// Whose password is tried, and from where.
pub(super) struct Try<'a> {
    pub realm: &'a str,
    pub username: &'a str,
    /// `None`: it is longer than any password.
    pub password: Option<&'a Password>,
    pub source: Option<IpAddr>,
}

/// Tries a password.
///
/// # Errors
/// Where the table did not answer: then nobody is signed in.
pub(super) async fn sign_in(store: &Store, what: &Try<'_>, fresh: &Fresh) -> Result<SignIn, StoreError> {
    // What is no username is nobody's, and is counted for its source only.
    let canonical = canonical_username(what.username).unwrap_or_default();
    let account = format!("account#{}#{canonical}", what.realm);
    let source = what.source.map(|address| format!("source#{}", network(address)));
    if let Some(wait) = noted(store, &account, source.as_deref(), fresh).await? {
        return Ok(SignIn::Wait(wait));
    }
    let user = store.user_named(what.realm, what.username).await?;
    let stored = user.as_ref().and_then(|user| user.password.as_ref());
    let is_right = match (what.password, stored) {
        (Some(password), Some(stored)) => stored.matches(password),
        (Some(password), None) => {
            nobodys_work(password);
            false
        }
        (None, _) => false,
    };
    match user.filter(|user| is_right && user.metadata.active) {
        Some(user) => {
            store.forget_attempts(&account).await?;
            Ok(SignIn::Good(Box::new(user)))
        }
        None => {
            if let Some(source) = &source {
                failed(store, source, fresh).await?;
            }
            Ok(SignIn::Wrong)
        }
    }
}

/// Notes a try before the password is looked at; the seconds to wait if there were too many.
async fn noted(store: &Store, account: &str, source: Option<&str>, fresh: &Fresh) -> Result<Option<u64>, StoreError> {
    for _ in 0..ATTEMPTS {
        let batch = store.batch().with(Key::Attempts(account)).with_some(source.map(Key::Attempts));
        let found = batch.read().await?;
        if let Some(source) = source
            && let Err(wait) = Attempts::try_at(found.attempts(source)?, FREE_FOR_SOURCE, fresh.now)
        {
            return Ok(Some(wait));
        }
        match Attempts::try_at(found.attempts(account)?, FREE_FOR_ACCOUNT, fresh.now) {
            Err(wait) => return Ok(Some(wait)),
            Ok(attempts) if store.put_attempts(account, attempts).await? == Commit::Done => return Ok(None),
            Ok(_) => {}
        }
    }
    // So many tries of one account at once are nobody's who knows the password.
    Ok(Some(1))
}

/// Notes a failure of a source; the seconds to wait if there were too many before.
async fn failed(store: &Store, source: &str, fresh: &Fresh) -> Result<Option<u64>, StoreError> {
    for _ in 0..ATTEMPTS {
        let earlier = store.batch().with(Key::Attempts(source)).read().await?.attempts(source)?;
        match Attempts::try_at(earlier, FREE_FOR_SOURCE, fresh.now) {
            Ok(attempts) if store.put_attempts(source, attempts).await? == Commit::Stale => {}
            Ok(_) => return Ok(None),
            Err(wait) => return Ok(Some(wait)),
        }
    }
    Ok(None)
}

/// Authenticates the client that `credentials` name, given what the table has under that name. Failures are counted for their source,
/// whatever the name (LO-04), and cost it the same waits as wrong passwords. The right secret is let in even then: it is 256 random bits, and
/// whoever shares an address with a client must not be able to stop it.
///
/// # Errors
/// `invalid_client`, or how long the source has to wait.
pub(super) async fn authenticated(
    store: &Store,
    credentials: &Credentials,
    (registered, source): (Option<Client>, Option<IpAddr>),
    fresh: &Fresh,
) -> Result<AuthenticatedClient, Refusal> {
    match (authenticate(credentials, registered, fresh.now), source) {
        (Err(error), Some(source)) => match failed(store, &format!("clients#{}", network(source)), fresh).await? {
            Some(wait) => Err(Refusal::TooManyTries(wait)),
            None => Err(error.into()),
        },
        (answer, _) => Ok(answer?),
    }
}

/// An address, or the network that one subscriber has of IPv6 (LO-05).
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => address.segments().iter().take(4).map(|segment| format!("{segment:x}")).collect::<Vec<_>>().join(":"),
        },
    }
}
