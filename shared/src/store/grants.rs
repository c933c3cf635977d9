//! Grants, consents, sessions and failed sign-ins.

use aws_sdk_dynamodb::types::AttributeValue;

use super::changes::{token_item, token_of_user_item};
use super::item::ItemBuilder;
use super::key::{Key, LAST};
use super::listing::Page;
use super::write::{Commit, Expect, Transaction};
use super::{Store, StoreError};
use crate::oauth::access_token::TokenRecord;
use crate::oauth::api::LONGEST_TOKEN_LIFE;
use crate::oauth::change::{AuditEvent, Changed};
use crate::oauth::consent::Consent;
use crate::oauth::fresh::Fresh;
use crate::oauth::grant::{Grant, Phase};
use crate::oauth::sign_in::{Attempts, FORGIVEN_AFTER, Session};
use crate::oauth::user::UserId;

impl Store {
    /// Writes what became of a request, and remembers the consent to it, if that is still as it was read (`Stale`: it is not). `Exists`: the
    /// request was allowed or denied before.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn decide(&self, grant: &Grant, consent: Option<&Consent>, audit: &AuditEvent, fresh: &Fresh) -> Result<Commit, StoreError> {
        let mut transaction = Transaction::default().put(&self.table, grant_item(grant)?, Expect::Absent)?;
        if let Some(consent) = consent {
            transaction = self.consenting(transaction, &grant.user_id, consent)?;
        }
        self.transact(self.noted(transaction, None, audit, fresh)?).await
    }

    /// Withdraws what a user has allowed a client, with everything that it gave: the client has to ask again. `Stale`: it is not as it was read.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn withdraw(&self, user_id: &UserId, consent: &Consent, audit: &AuditEvent, fresh: &Fresh) -> Result<Commit, StoreError> {
        let transaction = self.consenting(Transaction::default(), user_id, consent)?;
        let changed = Changed::User { user_id: user_id.clone() };
        self.transact(self.noted(transaction, Some(&changed), audit, fresh)?).await
    }

    fn consenting(&self, transaction: Transaction, user_id: &UserId, consent: &Consent) -> Result<Transaction, StoreError> {
        let next = Consent { version: consent.version + 1, ..consent.clone() };
        let builder = ItemBuilder::new(Key::Consent { user_id, client: &consent.client_id }).doc(&next)?.version(next.version);
        transaction.put(&self.table, builder.build(), Expect::Version(consent.version))
    }

    /// Changes a grant that is still as it was read, and writes the record of the token that goes with the change.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn change_grant(&self, grant: &Grant, record: Option<&TokenRecord>, audit: &AuditEvent, fresh: &Fresh) -> Result<Commit, StoreError> {
        let next = grant.next_version();
        let mut transaction = Transaction::default().put(&self.table, grant_item(&next)?, Expect::Version(grant.version))?;
        if let Some(record) = record {
            transaction = transaction.put(&self.table, token_item(record)?, Expect::Anything)?;
            if let Some(of_user) = token_of_user_item(record) {
                transaction = transaction.put(&self.table, of_user, Expect::Anything)?;
            }
        }
        let changed = matches!(grant.phase, Phase::Revoked { .. }).then(|| Changed::Grant { grant_id: grant.grant_id.clone() });
        self.transact(self.noted(transaction, changed.as_ref(), audit, fresh)?).await
    }

    /// Begins a session, and ends the one that the browser had before.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn begin_session(
        &self,
        (digest, session): (&str, &Session),
        before: Option<&str>,
        audit: &AuditEvent,
        fresh: &Fresh,
    ) -> Result<(), StoreError> {
        let item = ItemBuilder::new(Key::Session(digest)).doc(session)?.ttl(session.expires_at).build();
        let mut transaction = Transaction::default().put(&self.table, item, Expect::Anything)?;
        if let Some(before) = before {
            transaction = transaction.delete(&self.table, Key::Session(before), Expect::Anything)?;
        }
        self.transact_in_any_case(self.noted(transaction, None, audit, fresh)?).await
    }

    /// Ends a session.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn end_session(&self, digest: &str) -> Result<(), StoreError> {
        self.remove(Key::Session(digest)).await
    }

    /// Notes tries of an account, a source or both, and forgets those of an account that has succeeded; `Stale`: there was another in the
    /// meantime.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn note_attempts(&self, noted: &[(&str, Attempts)], forgotten: Option<&str>) -> Result<Commit, StoreError> {
        let mut transaction = Transaction::default();
        for (whose, attempts) in noted {
            let builder = ItemBuilder::new(Key::Attempts(whose)).doc(attempts)?.version(attempts.version);
            let item = builder.ttl(attempts.last_at.plus(2 * FORGIVEN_AFTER)).build();
            transaction = transaction.put(&self.table, item, Expect::Version(attempts.version - 1))?;
        }
        if let Some(whose) = forgotten {
            transaction = transaction.delete(&self.table, Key::Attempts(whose), Expect::Anything)?;
        }
        self.transact_meeting(1, transaction).await
    }

    /// What a user has allowed, by client, from after the place `after`.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn list_consents(&self, user_id: &UserId, after: Option<&str>, limit: usize) -> Result<Page<Consent>, StoreError> {
        let partition = format!("consent#{}", user_id.as_str());
        self.contents(&partition, after.unwrap_or_default(), LAST, limit).await
    }

    async fn remove(&self, key: Key<'_>) -> Result<(), StoreError> {
        let request = self.client.delete_item().table_name(&self.table);
        let request = request.key("pk", AttributeValue::S(key.partition())).key("sk", AttributeValue::S(key.sort()));
        request.send().await.map_err(super::unavailable)?;
        Ok(())
    }
}

fn grant_item(grant: &Grant) -> Result<super::item::Item, StoreError> {
    // It outlives whatever it gave: a grant that is not found is a grant that is dead.
    let builder = ItemBuilder::new(Key::Grant(&grant.grant_id)).doc(grant)?.version(grant.version);
    Ok(builder.ttl(grant.expires_at.plus(LONGEST_TOKEN_LIFE + 3_600)).build())
}
