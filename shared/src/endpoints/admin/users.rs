//! `/admin/v1/users`.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};

use super::super::respond::{self, Response};
use super::problem::Problem;
use super::{ATTEMPTS, Context, body, object, page};
use crate::oauth::change::AuditEvent;
use crate::oauth::consent::Consent;
use crate::oauth::ids::{ClientId, Name};
use crate::oauth::invalid::Invalid;
use crate::oauth::password::{Password, StoredPassword};
use crate::oauth::user::{Group, Person, User, UserId, UserMetadata};
use crate::store::{Commit, Key, UserChange};

const MEMBERS: [&str; 6] = ["realm", "username", "roles", "groups", "active", "claims"];

impl Context<'_> {
    /// Users by id; with `?username=` the one of that name in `?realm=`.
    pub(super) async fn list_users(&self) -> Result<Response, Problem> {
        self.caller.require("users.read")?;
        let realm = self.request.query("realm");
        if let Some(username) = self.request.query("username") {
            return match self.store().user_named(realm.unwrap_or("default"), username).await? {
                Some(user) => Ok(page(self.all_shown(vec![user]).await?, None)),
                None => Ok(page(Vec::new(), None)),
            };
        }
        let listed = self.store().list_users(self.cursor()?.as_deref(), self.limit()?).await?;
        let users = listed.items.into_iter().filter(|user| realm.is_none_or(|realm| user.metadata.realm.as_str() == realm));
        Ok(page(self.all_shown(users.collect()).await?, listed.next))
    }

    pub(super) async fn create_user(&self) -> Result<Response, Problem> {
        self.caller.require("users.write")?;
        let mut members = body::object(self.request, false)?;
        let password = self.password(members.remove("password"))?;
        let metadata = body::read::<UserMetadata>(members, &MEMBERS)?.checked()?;
        self.must_exist(&metadata.roles).await?;
        let groups = self.groups_must_exist(&metadata).await?;
        let user = User {
            user_id: UserId::generate(self.fresh),
            metadata,
            password,
            valid_from: self.fresh.now,
            created_at: self.fresh.now,
            updated_at: self.fresh.now,
            version: 1,
        };
        match self.store().change_user(UserChange::Create(&user), &self.user_audit("user.created", &user.user_id), self.fresh).await? {
            Commit::Done => {}
            Commit::Exists => return Err(Problem::Conflict("a user of this username exists in the realm".to_owned())),
            Commit::Stale => return Err(Problem::Conflict("a role or a group of the user is being deleted, try again".to_owned())),
        }
        Ok(object(StatusCode::CREATED, &shown(&user, &groups), user.version))
    }

    pub(super) async fn show_user(&self, id: &str) -> Result<Response, Problem> {
        self.caller.require("users.read")?;
        let user = self.find_user(id).await?;
        let groups = self.groups_of(&user.metadata.groups).await?;
        Ok(object(StatusCode::OK, &shown(&user, &groups), user.version))
    }

    pub(super) async fn change_user(&self, id: &str) -> Result<Response, Problem> {
        self.caller.require("users.write")?;
        let mut patch = body::object(self.request, false)?;
        let password = match patch.remove("password") {
            None => None,
            given => Some(self.password(given)?),
        };
        let (user, groups) = self
            .changed_user(id, "user.changed", |user| {
                let mut members = body::members(&user.metadata);
                body::merge(&mut members, patch.clone());
                let metadata = body::read::<UserMetadata>(members, &MEMBERS)?.checked()?;
                if metadata.realm != user.metadata.realm {
                    return Err(vec![Invalid::new("/realm", "cannot be changed, make another user")].into());
                }
                // Whoever knew the old password has nothing of what it opened.
                let user = match &password {
                    Some(new) => user.with_password(new.clone(), self.fresh.now),
                    None => user,
                };
                Ok(User { metadata, ..user })
            })
            .await?;
        Ok(object(StatusCode::OK, &shown(&user, &groups), user.version))
    }

    pub(super) async fn delete_user(&self, id: &str) -> Result<Response, Problem> {
        self.caller.require("users.write")?;
        for _ in 0..ATTEMPTS {
            let user = self.find_user(id).await?;
            self.if_match(user.version)?;
            let audit = self.user_audit("user.deleted", &user.user_id);
            if self.store().change_user(UserChange::Delete(&user), &audit, self.fresh).await? == Commit::Done {
                return Ok(respond::empty(StatusCode::NO_CONTENT));
            }
        }
        Err(Problem::Unavailable("the user kept changing".to_owned()))
    }

    /// What a user has allowed, by client.
    pub(super) async fn list_grants(&self, id: &str) -> Result<Response, Problem> {
        self.caller.require("users.read")?;
        let user = self.find_user(id).await?;
        let listed = self.store().list_consents(&user.user_id, self.cursor()?.as_deref(), self.limit()?).await?;
        // What was withdrawn stays in the table with no scope.
        let consents = listed.items.into_iter().filter(|consent| !consent.scopes.is_empty());
        let shown = |consent: Consent| json!({"client_id": consent.client_id, "scopes": consent.scopes, "allowed_at": consent.at.rfc3339()});
        Ok(page(consents.map(shown).collect(), listed.next))
    }

    /// Withdraws what a user has allowed a client, also one that was deleted: its tokens are dead, and it has to ask again (G-19).
    pub(super) async fn withdraw_grants(&self, id: &str, client: &str) -> Result<Response, Problem> {
        self.caller.require("users.write")?;
        let user_id = &self.find_user(id).await?.user_id;
        let client_id = &ClientId::parse(client).ok_or(Problem::NotFound)?;
        let audit = AuditEvent { client_id: Some(client_id.clone()), ..self.user_audit("grants.withdrawn", user_id) };
        for _ in 0..ATTEMPTS {
            let batch = self.store().batch().with(Key::Consent { user_id, client: client_id }).with(Key::Client(client_id));
            let found = batch.read().await?;
            let earlier = found.consent(user_id, client_id)?;
            // What a client that is gone was allowed can still be withdrawn.
            if earlier.is_none() && found.client(client_id)?.is_none() {
                return Err(Problem::NotFound);
            }
            let consent = Consent::withdrawn(earlier, client_id, self.fresh.now);
            if self.store().withdraw(user_id, &consent, &audit, self.fresh).await? == Commit::Done {
                return Ok(respond::empty(StatusCode::NO_CONTENT));
            }
        }
        Err(Problem::Unavailable("the consent kept changing".to_owned()))
    }

    /// Reads a user, changes them and commits; again where somebody else was first. Gives the groups too: a read after the commit could fail
    /// and deny what was done.
    pub(super) async fn changed_user(
        &self,
        id: &str,
        event: &str,
        change: impl Fn(User) -> Result<User, Problem>,
    ) -> Result<(User, Vec<Group>), Problem> {
        for _ in 0..ATTEMPTS {
            let was = self.find_user(id).await?;
            self.if_match(was.version)?;
            let changed = User { updated_at: self.fresh.now, ..change(was.clone())? };
            if changed.metadata.roles != was.metadata.roles {
                self.must_exist(&changed.metadata.roles).await?;
            }
            let groups = match changed.metadata.groups == was.metadata.groups {
                true => self.groups_of(&changed.metadata.groups).await?,
                false => self.groups_must_exist(&changed.metadata).await?,
            };
            let audit = self.user_audit(event, &changed.user_id);
            match self.store().change_user(UserChange::Replace(&changed, &was), &audit, self.fresh).await? {
                Commit::Done => return Ok((User { version: changed.version + 1, ..changed }, groups)),
                Commit::Exists => return Err(Problem::Conflict("a user of this username exists in the realm".to_owned())),
                Commit::Stale => {}
            }
        }
        Err(Problem::Unavailable("the user kept changing".to_owned()))
    }

    pub(super) async fn find_user(&self, id: &str) -> Result<User, Problem> {
        let user_id = UserId::parse(id).ok_or(Problem::NotFound)?;
        self.store().batch().with(Key::User(&user_id)).read().await?.user(&user_id)?.ok_or(Problem::NotFound)
    }

    pub(super) fn user_audit(&self, event: &str, user_id: &UserId) -> AuditEvent {
        AuditEvent { user_id: Some(user_id.clone()), ..self.audit(event, None, None) }
    }

    /// The digest of a password that an administrator gives; null or absent: none.
    fn password(&self, given: Option<Value>) -> Result<Option<StoredPassword>, Problem> {
        let text = match given {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text,
            Some(_) => return Err(vec![Invalid::new("/password", "must be a string")].into()),
        };
        let password = Password::chosen(&text).map_err(|detail| vec![Invalid::new("/password", detail)])?;
        let stored = StoredPassword::of(&password, self.fresh);
        stored.map(Some).ok_or_else(|| Problem::Unavailable("the password could not be hashed".to_owned()))
    }

    async fn groups_must_exist(&self, metadata: &UserMetadata) -> Result<Vec<Group>, Problem> {
        let groups = self.groups_of(&metadata.groups).await?;
        let mut faults = Vec::new();
        for (at, name) in metadata.groups.iter().enumerate() {
            match groups.iter().find(|group| group.metadata.name == *name) {
                None => faults.push(Invalid::new(format!("/groups/{at}"), format!("there is no group {name}, make it first"))),
                Some(group) if group.metadata.realm != metadata.realm => {
                    faults.push(Invalid::new(format!("/groups/{at}"), format!("the group {name} is of the realm {}", group.metadata.realm)));
                }
                Some(_) => {}
            }
        }
        if faults.is_empty() { Ok(groups) } else { Err(faults.into()) }
    }

    /// The groups of these names that exist: as few reads as DynamoDB allows, which takes a hundred keys in one.
    async fn groups_of(&self, names: &[Name]) -> Result<Vec<Group>, Problem> {
        let mut groups = Vec::with_capacity(names.len());
        for names in names.chunks(100) {
            let found = names.iter().fold(self.store().batch(), |batch, name| batch.with(Key::Group(name.as_str()))).read().await?;
            for name in names {
                groups.extend(found.group(name.as_str())?);
            }
        }
        Ok(groups)
    }

    /// Users of one page: the groups of all of them are read together.
    async fn all_shown(&self, users: Vec<User>) -> Result<Vec<Value>, Problem> {
        let names: BTreeSet<&Name> = users.iter().flat_map(|user| &user.metadata.groups).collect();
        let groups = self.groups_of(&names.into_iter().cloned().collect::<Vec<_>>()).await?;
        let of = |user: &User| groups.iter().filter(|group| user.metadata.groups.contains(&group.metadata.name)).cloned().collect::<Vec<_>>();
        Ok(users.iter().map(|user| shown(user, &of(user))).collect())
    }
}

/// A user of these groups as the admin API shows them: no password, nor a digest of one; `roles` with those of the groups.
fn shown(user: &User, groups: &[Group]) -> Value {
    let person = Person::new(user.clone(), groups, false);
    let mut members = body::members(&user.metadata);
    members.insert("user_id".to_owned(), user.user_id.as_str().into());
    members.insert("own_roles".to_owned(), json!(user.metadata.roles));
    members.insert("roles".to_owned(), json!(person.roles));
    members.insert("has_password".to_owned(), user.password.is_some().into());
    members.insert("created_at".to_owned(), user.created_at.rfc3339().into());
    members.insert("updated_at".to_owned(), user.updated_at.rfc3339().into());
    members.insert("version".to_owned(), json!(user.version));
    Value::Object(members)
}
