//! Checking a user's password or a client's secret: the same steps wherever one is presented, so that guessing costs the same everywhere.

use std::net::IpAddr;

use super::respond::Refusal;
use crate::oauth::client::Client;
use crate::oauth::client_auth::{AuthenticatedClient, Credentials, authenticate};
use crate::oauth::fresh::Fresh;
use crate::oauth::password::{Password, nobodys_work};
use crate::oauth::sign_in::{Attempts, FREE_FOR_ACCOUNT, FREE_FOR_SOURCE};
use crate::oauth::time::Timestamp;
use crate::oauth::user::{User, UserId, canonical_username};
use crate::store::{Commit, Key, Store, StoreError};

/// How often a try that met another one of the same account or source is noted again. Each time another one was noted or taken back, and of
/// guesses no more than [`FREE_FOR_SOURCE`] are noted in a row.
const ATTEMPTS: usize = 40;

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
    let canonical = canonical_username(what.username);
    let account = canonical.as_ref().map(|canonical| format!("account#{}#{canonical}", what.realm));
    let source = what.source.map(|address| format!("source#{}", network(address)));
    let tried = match noted(store, (what.realm, canonical.as_deref()), (account.as_deref(), source.as_deref()), fresh).await? {
        Ok(tried) => tried,
        Err(seconds) => {
            log::info!(reason = "too_many_tries", realm = what.realm; "sign-in refused");
            return Ok(SignIn::Wait(seconds));
        }
    };
    // A name that is nobody's costs the same reads and the same work (LO-06).
    let user_id = tried.user_id.unwrap_or_else(|| UserId::generate(fresh));
    let user = store.batch().with(Key::User(&user_id)).read().await?.user(&user_id)?;
    let stored = user.as_ref().and_then(|user| user.password.as_ref());
    let is_right = match (what.password, stored) {
        (Some(password), Some(stored)) => stored.matches(password),
        (Some(password), None) => {
            nobodys_work(password);
            false
        }
        (None, _) => false,
    };
    let Some(user) = user.filter(|user| is_right && user.metadata.active) else {
        log::info!(reason = "wrong_password", realm = what.realm; "sign-in refused");
        return Ok(SignIn::Wrong);
    };
    forgive(store, account.as_deref(), source.as_deref().zip(tried.of_source)).await?;
    Ok(SignIn::Good(Box::new(user)))
}

/// A try that was noted.
struct Tried {
    /// Whose the username is, if it is anybody's.
    user_id: Option<UserId>,
    /// What was noted for the source, and when its last try began before this one.
    of_source: Option<(Attempts, Timestamp)>,
}

/// Notes a try before the password is looked at, for its account and its source; the seconds to wait if there were too many.
async fn noted(
    store: &Store,
    (realm, canonical): (&str, Option<&str>),
    (account, source): (Option<&str>, Option<&str>),
    fresh: &Fresh,
) -> Result<Result<Tried, u64>, StoreError> {
    for _ in 0..ATTEMPTS {
        let username = canonical.map(|canonical| Key::Username { realm, canonical });
        let batch = store.batch().with_some(account.map(Key::Attempts)).with_some(source.map(Key::Attempts)).with_some(username);
        let found = batch.read().await?;
        let next = |whose: Option<&str>, free| whose.map(|whose| found.attempts(whose).map(|earlier| Attempts::try_at(earlier, free, fresh.now)));
        let (of_account, of_source) = (next(account, FREE_FOR_ACCOUNT).transpose()?, next(source, FREE_FOR_SOURCE).transpose()?);
        let (of_account, of_source) = match (of_account.transpose(), of_source.transpose()) {
            (Ok(of_account), Ok(of_source)) => (of_account, of_source),
            (Err(wait), Ok(_)) | (Ok(_), Err(wait)) => return Ok(Err(wait)),
            (Err(one), Err(other)) => return Ok(Err(one.max(other))),
        };
        let notes: Vec<(&str, Attempts)> = account.zip(of_account).into_iter().chain(source.zip(of_source)).collect();
        if notes.is_empty() || store.note_attempts(&notes, None).await? == Commit::Done {
            let user_id = canonical.and_then(|canonical| found.user_id_of(realm, canonical));
            let last_at = source.map_or(Ok(None), |source| found.attempts(source))?.map_or(fresh.now, |earlier| earlier.last_at);
            return Ok(Ok(Tried { user_id, of_source: of_source.map(|noted| (noted, last_at)) }));
        }
    }
    // So many tries at once of one account, or from one place, are nobody's who knows the password.
    Ok(Err(1))
}

/// Forgets the failures of an account that has succeeded, and takes back what the try cost its source.
async fn forgive(store: &Store, account: Option<&str>, mut source: Option<(&str, (Attempts, Timestamp))>) -> Result<(), StoreError> {
    for _ in 0..ATTEMPTS {
        let notes: Vec<(&str, Attempts)> = source.map(|(whose, (noted, last_at))| (whose, noted.taken_back(last_at))).into_iter().collect();
        if store.note_attempts(&notes, account).await? == Commit::Done {
            return Ok(());
        }
        if let Some((whose, _)) = source {
            let noted = store.batch().with(Key::Attempts(whose)).read().await?.attempts(whose)?;
            source = noted.map(|noted| (whose, (noted, noted.last_at)));
        }
    }
    // The source keeps one failure that was none.
    store.note_attempts(&[], account).await.map(|_| ())
}

/// Notes a failure of a source; the seconds to wait if there were too many before.
async fn failed(store: &Store, source: &str, fresh: &Fresh) -> Result<Option<u64>, StoreError> {
    for _ in 0..ATTEMPTS {
        let earlier = store.batch().with(Key::Attempts(source)).read().await?.attempts(source)?;
        match Attempts::try_at(earlier, FREE_FOR_SOURCE, fresh.now) {
            Ok(attempts) if store.note_attempts(&[(source, attempts)], None).await? == Commit::Stale => {}
            Ok(_) => return Ok(None),
            Err(wait) => return Ok(Some(wait)),
        }
    }
    Ok(Some(1))
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
