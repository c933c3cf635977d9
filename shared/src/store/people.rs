//! Users, groups and assignments.

use super::item::{ItemBuilder, number, text};
use super::key::{GROUPS_LIST, Key, LAST, USERS_LIST, assignments_partition};
use super::listing::Page;
use super::write::{Commit, Expect, Transaction};
use super::{Store, StoreError};
use crate::oauth::change::{AuditEvent, Changed};
use crate::oauth::client::Client;
use crate::oauth::consent::Consent;
use crate::oauth::fresh::Fresh;
use crate::oauth::ids::Name;
use crate::oauth::user::{Group, Person, User, UserId, canonical_username};

/// A change of one user.
#[derive(Debug, Clone, Copy)]
pub enum UserChange<'a> {
    /// A new one.
    Create(&'a User),
    /// As it is to be (its version is the one that was read), and as it was.
    Replace(&'a User, &'a User),
    /// No such user any more.
    Delete(&'a User),
}

/// A change of one group.
#[derive(Debug, Clone, Copy)]
pub enum GroupChange<'a> {
    /// A new one.
    Create(&'a Group),
    /// As it is to be (its version is the one that was read), and as it was.
    Replace(&'a Group, &'a Group),
    /// No such group any more, if it has no members.
    Delete(&'a Group),
}

/// Who may use a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignee {
    /// A user.
    User(UserId),
    /// The members of a group.
    Group(Name),
}

impl Store {
    /// Creates, changes or deletes a user. `Exists`: the username is taken.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn change_user(&self, change: UserChange<'_>, audit: &AuditEvent, fresh: &Fresh) -> Result<Commit, StoreError> {
        let table = self.table.as_str();
        let name_of = |user: &User| (user.metadata.realm.to_string(), canonical_username(&user.metadata.username).unwrap_or_default());
        let taking = |transaction: Transaction, user: &User| {
            let (realm, canonical) = name_of(user);
            let name = ItemBuilder::new(Key::Username { realm: &realm, canonical: &canonical }).text("user_id", user.user_id.as_str().to_owned());
            transaction.put(table, name.build(), Expect::Absent)
        };
        let leaving = |transaction: Transaction, user: &User| {
            let (realm, canonical) = name_of(user);
            transaction.delete(table, Key::Username { realm: &realm, canonical: &canonical }, Expect::Anything)
        };
        let none: &[Name] = &[];
        let (transaction, user, roles, groups) = match change {
            UserChange::Create(user) => {
                let transaction = taking(Transaction::default().put(table, user_item(user)?, Expect::Absent)?, user)?;
                (transaction, user, (none, &user.metadata.roles[..]), (none, &user.metadata.groups[..]))
            }
            UserChange::Replace(user, was) => {
                let next = User { version: user.version + 1, ..user.clone() };
                let mut transaction = Transaction::default().put(table, user_item(&next)?, Expect::Version(user.version))?;
                if name_of(user) != name_of(was) {
                    transaction = leaving(taking(transaction, user)?, was)?;
                }
                (transaction, user, (&was.metadata.roles[..], &user.metadata.roles[..]), (&was.metadata.groups[..], &user.metadata.groups[..]))
            }
            UserChange::Delete(user) => {
                let transaction = Transaction::default().delete(table, Key::User(&user.user_id), Expect::Version(user.version))?;
                (leaving(transaction, user)?, user, (&user.metadata.roles[..], none), (&user.metadata.groups[..], none))
            }
        };
        let transaction = self.counting_uses(transaction, roles)?.counting(table, |name| Key::Group(name), groups)?;
        let changed = Changed::User { user_id: user.user_id.clone() };
        self.transact(self.noted(transaction, Some(&changed), audit, fresh)?).await
    }

    /// Creates, changes or deletes a group; one with members is not deleted (`Stale`).
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn change_group(&self, change: GroupChange<'_>, audit: &AuditEvent, fresh: &Fresh) -> Result<Commit, StoreError> {
        let none: &[Name] = &[];
        let (transaction, group, roles) = match change {
            GroupChange::Create(group) => {
                let item = ItemBuilder::new(Key::Group(group.metadata.name.as_str())).doc(group)?.version(group.version);
                let item = item.listed(GROUPS_LIST.to_owned(), group.metadata.name.to_string()).build();
                (Transaction::default().put(&self.table, item, Expect::Absent)?, group, (none, &group.metadata.roles[..]))
            }
            GroupChange::Replace(group, was) => {
                let next = Group { version: group.version + 1, ..group.clone() };
                let transaction = Transaction::default().replace_doc(&self.table, Key::Group(group.metadata.name.as_str()), &next, group.version)?;
                (transaction, group, (&was.metadata.roles[..], &group.metadata.roles[..]))
            }
            GroupChange::Delete(group) => {
                let key = Key::Group(group.metadata.name.as_str());
                (Transaction::default().delete_unused(&self.table, key, group.version)?, group, (&group.metadata.roles[..], none))
            }
        };
        let changed = Changed::Group { name: group.metadata.name.clone() };
        self.transact(self.noted(self.counting_uses(transaction, roles)?, Some(&changed), audit, fresh)?).await
    }

    /// How many members a group has; `None` where there is no such group.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn members_of(&self, group: &Name) -> Result<Option<u64>, StoreError> {
        let item = self.item(Key::Group(group.as_str())).await?;
        Ok(item.map(|item| number(&item, "uses").unwrap_or_default()))
    }

    /// The user of this username in this realm.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn user_named(&self, realm: &str, username: &str) -> Result<Option<User>, StoreError> {
        let Some(canonical) = canonical_username(username) else { return Ok(None) };
        let found = self.batch().with(Key::Username { realm, canonical: &canonical }).read().await?;
        let Some(user_id) = found.user_id_of(realm, &canonical) else { return Ok(None) };
        self.batch().with(Key::User(&user_id)).read().await?.user(&user_id)
    }

    /// A user as `client` sees them: their roles through their groups, and whether they are assigned.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn person(&self, user: User, client: &Client) -> Result<Person, StoreError> {
        self.person_and_consent(user, client).await.map(|(person, _)| person)
    }

    /// The same, and what they have allowed the client before.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn person_and_consent(&self, user: User, client: &Client) -> Result<(Person, Option<Consent>), StoreError> {
        let (client_id, since) = (&client.client_id, client.created_at);
        let assigned = Key::AssignedUser { client: client_id, since, user_id: &user.user_id };
        let names: Vec<&str> = user.metadata.groups.iter().map(Name::as_str).collect();
        let consent = Key::Consent { user_id: &user.user_id, client: client_id };
        let mut batch = self.batch().with(assigned).with(consent);
        for group in &names {
            batch = batch.with(Key::Group(group)).with(Key::AssignedGroup { client: client_id, since, group });
        }
        let found = batch.read().await?;
        let mut groups = Vec::with_capacity(names.len());
        let mut is_assigned = found.has(&assigned);
        for name in names {
            let Some(group) = found.group(name)? else { continue };
            // An assignment of an earlier group of this name is none of this one's.
            let of_group = found.number(&Key::AssignedGroup { client: client_id, since, group: name }, "group_since");
            is_assigned |= of_group == Some(group.created_at.unix());
            groups.push(group);
        }
        let consent = found.consent(&user.user_id, client_id)?;
        let mut person = Person::new(user.clone(), &groups, is_assigned);
        person.epoch.withdrawn = consent.as_ref().and_then(|consent| consent.withdrawn_before);
        Ok((person, consent))
    }

    /// Lets users use a client. Making it twice is making it once.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn assign(
        &self,
        client: &Client,
        assignee: &Assignee,
        group: Option<&Group>,
        audit: &AuditEvent,
        fresh: &Fresh,
    ) -> Result<(), StoreError> {
        let mut item = ItemBuilder::new(assignment_key(client, assignee)).number("at", fresh.now.unix());
        if let Some(group) = group {
            item = item.number("group_since", group.created_at.unix());
        }
        let transaction = Transaction::default().put(&self.table, item.build(), Expect::Anything)?;
        self.assigned(transaction, assignee, audit, fresh).await
    }

    /// Takes an assignment back.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn unassign(&self, client: &Client, assignee: &Assignee, audit: &AuditEvent, fresh: &Fresh) -> Result<(), StoreError> {
        let transaction = Transaction::default().delete(&self.table, assignment_key(client, assignee), Expect::Anything)?;
        self.assigned(transaction, assignee, audit, fresh).await
    }

    async fn assigned(&self, transaction: Transaction, assignee: &Assignee, audit: &AuditEvent, fresh: &Fresh) -> Result<(), StoreError> {
        let changed = match assignee {
            Assignee::User(user_id) => Changed::User { user_id: user_id.clone() },
            Assignee::Group(name) => Changed::Group { name: name.clone() },
        };
        self.transact_in_any_case(self.noted(transaction, Some(&changed), audit, fresh)?).await
    }

    /// Who is assigned to a client, from after the place `after`.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn list_assignments(&self, client: &Client, after: Option<&str>, limit: usize) -> Result<Page<Assignee>, StoreError> {
        let partition = assignments_partition(&client.client_id, client.created_at);
        let Page { items, next } = self.page(&partition, after.unwrap_or_default(), LAST, limit).await?;
        let assignee = |place: &str| match place.split_once('#') {
            Some(("user", id)) => UserId::parse(id).map(Assignee::User),
            Some(("group", name)) => Name::parse(name).map(Assignee::Group),
            _ => None,
        };
        Ok(Page { items: items.iter().filter_map(|item| text(item, "sk").and_then(assignee)).collect(), next })
    }

    /// Users by id, from after the place `after`.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn list_users(&self, after: Option<&str>, limit: usize) -> Result<Page<User>, StoreError> {
        let places = self.places(USERS_LIST, after.unwrap_or_default(), limit).await?;
        let ids: Vec<UserId> = places.items.iter().filter_map(|place| UserId::parse(place)).collect();
        let found = ids.iter().fold(self.batch(), |batch, id| batch.with(Key::User(id))).read().await?;
        let users: Result<Vec<_>, _> = ids.iter().filter_map(|id| found.user(id).transpose()).collect();
        Ok(Page { items: users?, next: places.next })
    }

    /// Groups by name, from after the place `after`.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn list_groups(&self, after: Option<&str>, limit: usize) -> Result<Page<Group>, StoreError> {
        let places = self.places(GROUPS_LIST, after.unwrap_or_default(), limit).await?;
        let found = places.items.iter().fold(self.batch(), |batch, name| batch.with(Key::Group(name))).read().await?;
        let groups: Result<Vec<_>, _> = places.items.iter().filter_map(|name| found.group(name).transpose()).collect();
        Ok(Page { items: groups?, next: places.next })
    }
}

fn assignment_key<'a>(client: &'a Client, assignee: &'a Assignee) -> Key<'a> {
    let (client, since) = (&client.client_id, client.created_at);
    match assignee {
        Assignee::User(user_id) => Key::AssignedUser { client, since, user_id },
        Assignee::Group(name) => Key::AssignedGroup { client, since, group: name.as_str() },
    }
}

fn user_item(user: &User) -> Result<super::item::Item, StoreError> {
    let builder = ItemBuilder::new(Key::User(&user.user_id)).doc(user)?.version(user.version);
    Ok(builder.listed(USERS_LIST.to_owned(), user.user_id.as_str().to_owned()).build())
}
