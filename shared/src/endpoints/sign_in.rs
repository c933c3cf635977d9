//! Checking a password: the same steps for the sign-in page, the password grant and Basic at the gateway, so that guessing costs the same
//! everywhere.

use std::net::IpAddr;

use crate::oauth::fresh::Fresh;
use crate::oauth::password::{Password, nobodys_work};
use crate::oauth::sign_in::{Attempts, FREE_FOR_ACCOUNT, FREE_FOR_SOURCE};
use crate::oauth::user::{User, UserId, canonical_username};
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
    if user.is_none()
        && let Some(nobody) = UserId::parse("u-000000000000000000000000")
    {
        // A name that leads to nobody takes as many round trips as one that leads to somebody (SE-04).
        store.batch().with(Key::User(&nobody)).read().await?;
    }
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
                failed_from(store, source, fresh).await?;
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

async fn failed_from(store: &Store, source: &str, fresh: &Fresh) -> Result<(), StoreError> {
    for _ in 0..ATTEMPTS {
        let earlier = store.batch().with(Key::Attempts(source)).read().await?.attempts(source)?;
        match Attempts::try_at(earlier, FREE_FOR_SOURCE, fresh.now) {
            Ok(attempts) if store.put_attempts(source, attempts).await? == Commit::Stale => {}
            Ok(_) | Err(_) => return Ok(()),
        }
    }
    Ok(())
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
