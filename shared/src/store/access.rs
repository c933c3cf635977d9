//! Roles and privileges: who uses a role is counted in the same transaction that makes them use it, so that a role in use cannot go.

use super::changes::apis_item;
use super::item::{ItemBuilder, doc, number};
use super::key::{Key, LAST, PRIVILEGES_LIST, ROLES_LIST};
use super::listing::Page;
use super::write::{Commit, Expect, Transaction};
use super::{Store, StoreError};
use crate::oauth::api::Apis;
use crate::oauth::change::{AuditEvent, Changed};
use crate::oauth::fresh::Fresh;
use crate::oauth::ids::Name;
use crate::oauth::privilege::{Privilege, Role};

/// A change of one role.
#[derive(Debug)]
pub enum RoleChange<'a> {
    /// A new one.
    Create(&'a Role),
    /// As it is to be; its version is the one that was read.
    Replace(&'a Role),
    /// No such role any more, if nothing uses it.
    Delete(&'a Role),
}

/// A change of one privilege.
#[derive(Debug, Clone, Copy)]
pub enum PrivilegeChange<'a> {
    /// A new one.
    Create(&'a Privilege),
    /// As it is to be (its version is the one that was read), and as it was: of the same name and Api.
    Replace(&'a Privilege, &'a Privilege),
    /// No such privilege any more.
    Delete(&'a Privilege),
}

impl Store {
    /// Creates, changes or deletes a role; a role in use is not deleted (`Stale`).
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn change_role(&self, change: RoleChange<'_>, audit: &AuditEvent, fresh: &Fresh) -> Result<Commit, StoreError> {
        let transaction = match change {
            RoleChange::Create(role) => {
                let item = ItemBuilder::new(Key::Role(role.name.as_str())).doc(role)?.version(role.version);
                let item = item.listed(ROLES_LIST.to_owned(), role.name.to_string()).build();
                Transaction::default().put(&self.table, item, Expect::Absent)?
            }
            RoleChange::Replace(role) => {
                let next = Role { version: role.version + 1, ..role.clone() };
                Transaction::default().replace_doc(&self.table, Key::Role(role.name.as_str()), &next, role.version)?
            }
            RoleChange::Delete(role) => Transaction::default().delete_unused(&self.table, Key::Role(role.name.as_str()), role.version)?,
        };
        // An authorizer remembers roles only by their names in clients and privileges: the feed has nothing to tell.
        self.transact(self.noted(transaction, None, audit, fresh)?).await
    }

    /// How many clients, users, groups and privileges have or ask for this role; `None` where there is no such role.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn uses_of_role(&self, name: &Name) -> Result<Option<u64>, StoreError> {
        let item = self.item(Key::Role(name.as_str())).await?;
        Ok(item.map(|item| number(&item, "uses").unwrap_or_default()))
    }

    /// Roles by name, from after the place `after`.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn list_roles(&self, after: Option<&str>, limit: usize) -> Result<Page<Role>, StoreError> {
        let places = self.places(ROLES_LIST, after.unwrap_or_default(), limit).await?;
        let keys = places.items.iter().map(|name| Key::Role(name));
        let found = keys.fold(self.batch(), |batch, key| batch.with(key)).read().await?;
        let roles: Result<Vec<_>, _> = places.items.iter().filter_map(|name| found.role(name).transpose()).collect();
        Ok(Page { items: roles?, next: places.next })
    }

    /// Creates, changes or deletes a privilege. `apis` are the Apis as they are to be: their version, one more than the one that was read,
    /// makes all changes of Apis and privileges one sequence. `opened` is the audit entry of a route that became public by it.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn change_privilege(
        &self,
        change: PrivilegeChange<'_>,
        apis: &Apis,
        (audit, opened): (&AuditEvent, Option<&AuditEvent>),
        fresh: &Fresh,
    ) -> Result<Commit, StoreError> {
        let table = self.table.as_str();
        let transaction = Transaction::default();
        let (transaction, privilege, roles) = match change {
            PrivilegeChange::Create(privilege) => {
                let name = ItemBuilder::new(Key::PrivilegeName(privilege.metadata.name.as_str())).text("api", privilege.metadata.api.to_string());
                let transaction = transaction.put(table, name.build(), Expect::Absent)?.put(table, privilege_item(privilege)?, Expect::Absent)?;
                (transaction, privilege, (&[][..], &privilege.metadata.roles[..]))
            }
            PrivilegeChange::Replace(privilege, was) => {
                let next = Privilege { version: privilege.version + 1, ..privilege.clone() };
                let transaction = transaction.put(table, privilege_item(&next)?, Expect::Version(privilege.version))?;
                (transaction, privilege, (&was.metadata.roles[..], &privilege.metadata.roles[..]))
            }
            PrivilegeChange::Delete(privilege) => {
                let name = Key::PrivilegeName(privilege.metadata.name.as_str());
                let transaction =
                    transaction.delete(table, privilege_key(privilege), Expect::Version(privilege.version))?.delete(table, name, Expect::Anything)?;
                (transaction, privilege, (&privilege.metadata.roles[..], &[][..]))
            }
        };
        let transaction = transaction.put(table, apis_item(apis)?, Expect::Version(apis.version - 1))?;
        let transaction = self.noting_opened(transaction, opened, fresh)?;
        let changed = Changed::Privileges { api: privilege.metadata.api.clone() };
        self.transact(self.noted(self.counting_uses(transaction, roles)?, Some(&changed), audit, fresh)?).await
    }

    /// All privileges of an Api, consistently.
    ///
    /// # Errors
    /// Where the table did not answer for all of them.
    pub async fn privileges_of(&self, api: &Name) -> Result<Vec<Privilege>, StoreError> {
        let partition = Key::Privilege { api: api.as_str(), name: "" }.partition();
        self.items(&partition, "", LAST).await?.iter().map(doc).collect()
    }

    /// Privileges by name, from after the place `after`.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn list_privileges(&self, after: Option<&str>, limit: usize) -> Result<Page<Privilege>, StoreError> {
        let places = self.places(PRIVILEGES_LIST, after.unwrap_or_default(), limit).await?;
        let names = places.items.iter().fold(self.batch(), |batch, name| batch.with(Key::PrivilegeName(name))).read().await?;
        let placed: Vec<(Name, &String)> = places.items.iter().filter_map(|name| Some((names.api_of_privilege(name)?, name))).collect();
        let keys = placed.iter().map(|(api, name)| Key::Privilege { api: api.as_str(), name });
        let found = keys.fold(self.batch(), |batch, key| batch.with(key)).read().await?;
        let privileges: Result<Vec<_>, _> = placed.iter().filter_map(|(api, name)| found.privilege(api.as_str(), name).transpose()).collect();
        Ok(Page { items: privileges?, next: places.next })
    }

    /// The privilege of this name.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn privilege(&self, name: &str) -> Result<Option<Privilege>, StoreError> {
        let Some(api) = self.batch().with(Key::PrivilegeName(name)).read().await?.api_of_privilege(name) else { return Ok(None) };
        let found = self.batch().with(Key::Privilege { api: api.as_str(), name }).read().await?;
        found.privilege(api.as_str(), name)
    }

    /// `transaction` with the uses of the roles that are no longer in a list taken back and those of new ones counted: a role that does
    /// not exist makes it stale.
    pub(crate) fn counting_uses(&self, transaction: Transaction, (was, is): (&[Name], &[Name])) -> Result<Transaction, StoreError> {
        transaction.counting(&self.table, |name| Key::Role(name), (was, is))
    }
}

fn privilege_key(privilege: &Privilege) -> Key<'_> {
    Key::Privilege { api: privilege.metadata.api.as_str(), name: privilege.metadata.name.as_str() }
}

fn privilege_item(privilege: &Privilege) -> Result<super::item::Item, StoreError> {
    let builder = ItemBuilder::new(privilege_key(privilege)).doc(privilege)?.version(privilege.version);
    Ok(builder.listed(PRIVILEGES_LIST.to_owned(), privilege.metadata.name.to_string()).build())
}
