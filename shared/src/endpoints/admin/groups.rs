//! `/admin/v1/groups` and their members, `/admin/v1/clients/{id}/assignments`.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::respond::{self, Response};
use super::problem::Problem;
use super::{ATTEMPTS, Context, body, object, page};
use crate::oauth::change::AuditEvent;
use crate::oauth::ids::Name;
use crate::oauth::invalid::{Invalid, repeated};
use crate::oauth::privilege::MOST_ROLES;
use crate::oauth::user::{Group, GroupMetadata};
use crate::store::{Assignee, Commit, GroupChange, Key};

const MEMBERS: [&str; 3] = ["name", "realm", "roles"];

impl Context<'_> {
    pub(super) async fn list_groups(&self) -> Result<Response, Problem> {
        self.caller.require("users.read")?;
        let listed = self.store().list_groups(self.cursor()?.as_deref(), self.limit()?).await?;
        let realm = self.request.query("realm");
        let is_of = |group: &&Group| realm.is_none_or(|realm| group.metadata.realm.as_str() == realm);
        Ok(page(listed.items.iter().filter(is_of).map(shown).collect(), listed.next))
    }

    pub(super) async fn create_group(&self) -> Result<Response, Problem> {
        self.caller.require("users.write")?;
        let metadata = read(body::object(self.request, false)?)?;
        self.must_exist(&metadata.roles).await?;
        let group = Group { metadata, created_at: self.fresh.now, updated_at: self.fresh.now, version: 1 };
        let audit = self.audit("group.created", None, Some(group.metadata.name.as_str()));
        match self.store().change_group(GroupChange::Create(&group), &audit, self.fresh).await? {
            Commit::Done => Ok(object(StatusCode::CREATED, &shown(&group), group.version)),
            Commit::Exists => Err(Problem::Conflict("a group of this name exists".to_owned())),
            Commit::Stale => Err(Problem::Conflict("a role of the group is being deleted, try again".to_owned())),
        }
    }

    pub(super) async fn show_group(&self, name: &str) -> Result<Response, Problem> {
        self.caller.require("users.read")?;
        let group = self.find_group(name).await?;
        Ok(object(StatusCode::OK, &shown(&group), group.version))
    }

    pub(super) async fn change_group(&self, name: &str) -> Result<Response, Problem> {
        self.caller.require("users.write")?;
        let patch = body::object(self.request, false)?;
        for _ in 0..ATTEMPTS {
            let was = self.find_group(name).await?;
            self.if_match(was.version)?;
            let mut merged = body::members(&was.metadata);
            body::merge(&mut merged, patch.clone());
            let metadata = read(merged)?;
            if (&metadata.name, &metadata.realm) != (&was.metadata.name, &was.metadata.realm) {
                return Err(vec![Invalid::new("", "name and realm cannot be changed, make another group")].into());
            }
            self.must_exist(&metadata.roles).await?;
            let changed = Group { metadata, updated_at: self.fresh.now, ..was.clone() };
            let audit = self.audit("group.changed", None, Some(changed.metadata.name.as_str()));
            if self.store().change_group(GroupChange::Replace(&changed, &was), &audit, self.fresh).await? == Commit::Done {
                let changed = Group { version: changed.version + 1, ..changed };
                return Ok(object(StatusCode::OK, &shown(&changed), changed.version));
            }
        }
        Err(Problem::Unavailable("the group kept changing".to_owned()))
    }

    pub(super) async fn delete_group(&self, name: &str) -> Result<Response, Problem> {
        self.caller.require("users.write")?;
        for _ in 0..ATTEMPTS {
            let group = self.find_group(name).await?;
            self.if_match(group.version)?;
            let audit = self.audit("group.deleted", None, Some(group.metadata.name.as_str()));
            if self.store().change_group(GroupChange::Delete(&group), &audit, self.fresh).await? == Commit::Done {
                return Ok(respond::empty(StatusCode::NO_CONTENT));
            }
            if let Some(members @ 1..) = self.store().members_of(&group.metadata.name).await? {
                return Err(Problem::Conflict(format!("the group has {members} members, take them out first")));
            }
        }
        Err(Problem::Unavailable("the group kept changing".to_owned()))
    }

    pub(super) async fn add_member(&self, group: &str, user_id: &str) -> Result<Response, Problem> {
        self.caller.require("users.write")?;
        let group = self.find_group(group).await?;
        self.changed_user(user_id, "user.joined", |mut user| {
            let groups = &mut user.metadata.groups;
            if !groups.contains(&group.metadata.name) {
                groups.push(group.metadata.name.clone());
            }
            user.metadata = user.metadata.checked()?;
            Ok(user)
        })
        .await?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }

    pub(super) async fn remove_member(&self, group: &str, user_id: &str) -> Result<Response, Problem> {
        self.caller.require("users.write")?;
        let group = self.find_group(group).await?;
        self.changed_user(user_id, "user.left", |mut user| {
            user.metadata.groups.retain(|own| *own != group.metadata.name);
            Ok(user)
        })
        .await?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }

    pub(super) async fn list_assignments(&self, id: &str) -> Result<Response, Problem> {
        self.caller.require("clients.read")?;
        let (client, _) = self.find_client(id).await?;
        let shown = |assignee: Assignee| match assignee {
            Assignee::User(user_id) => json!({"user_id": user_id}),
            Assignee::Group(name) => json!({"group": name}),
        };
        let listed = self.store().list_assignments(&client, self.cursor()?.as_deref(), self.limit()?).await?;
        Ok(page(listed.items.into_iter().map(shown).collect(), listed.next))
    }

    pub(super) async fn assign(&self, id: &str, kind: &str, name: &str) -> Result<Response, Problem> {
        self.caller.require("clients.write")?;
        let (client, _) = self.find_client(id).await?;
        self.guard_admin_scopes(&client.metadata.scopes)?;
        let (assignee, group) = self.assignee(kind, name).await?;
        let audit = self.assignment_audit("client.assigned", id, &assignee);
        self.store().assign(&client, &assignee, group.as_ref(), &audit, self.fresh).await?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }

    pub(super) async fn unassign(&self, id: &str, kind: &str, name: &str) -> Result<Response, Problem> {
        self.caller.require("clients.write")?;
        let (client, _) = self.find_client(id).await?;
        self.guard_admin_scopes(&client.metadata.scopes)?;
        let (assignee, _) = self.assignee(kind, name).await?;
        let audit = self.assignment_audit("client.unassigned", id, &assignee);
        self.store().unassign(&client, &assignee, &audit, self.fresh).await?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }

    async fn assignee(&self, kind: &str, name: &str) -> Result<(Assignee, Option<Group>), Problem> {
        Ok(match kind {
            "users" => (Assignee::User(self.find_user(name).await?.user_id), None),
            _ => {
                let group = self.find_group(name).await?;
                (Assignee::Group(group.metadata.name.clone()), Some(group))
            }
        })
    }

    fn assignment_audit(&self, event: &str, client_id: &str, assignee: &Assignee) -> AuditEvent {
        let client_id = crate::oauth::ids::ClientId::parse(client_id);
        let audit = self.audit(event, client_id.as_ref(), None);
        match assignee {
            Assignee::User(user_id) => AuditEvent { user_id: Some(user_id.clone()), ..audit },
            Assignee::Group(name) => AuditEvent { object: Some(name.to_string()), ..audit },
        }
    }

    async fn find_group(&self, name: &str) -> Result<Group, Problem> {
        let name = Name::parse(name).ok_or(Problem::NotFound)?;
        self.store().batch().with(Key::Group(name.as_str())).read().await?.group(name.as_str())?.ok_or(Problem::NotFound)
    }
}

fn read(members: Map<String, Value>) -> Result<GroupMetadata, Problem> {
    let metadata: GroupMetadata = body::read(members, &MEMBERS)?;
    let is_right = metadata.roles.len() <= MOST_ROLES && !repeated(&metadata.roles);
    if is_right { Ok(metadata) } else { Err(vec![Invalid::new("/roles", format!("must be at most {MOST_ROLES}, each once"))].into()) }
}

fn shown(group: &Group) -> Value {
    let mut members = body::members(&group.metadata);
    members.insert("created_at".to_owned(), group.created_at.rfc3339().into());
    members.insert("updated_at".to_owned(), group.updated_at.rfc3339().into());
    members.insert("version".to_owned(), json!(group.version));
    Value::Object(members)
}
