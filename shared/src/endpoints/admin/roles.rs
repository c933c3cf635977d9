//! `/admin/v1/roles`.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::respond::{self, Response};
use super::problem::Problem;
use super::{ATTEMPTS, Context, body, object, page};
use crate::oauth::ids::Name;
use crate::oauth::invalid::Invalid;
use crate::oauth::privilege::Role;
use crate::store::{Commit, Key, RoleChange};

const MEMBERS: [&str; 2] = ["name", "description"];

#[derive(serde::Deserialize)]
struct Members {
    name: Name,
    #[serde(default)]
    description: String,
}

impl Context<'_> {
    pub(super) async fn list_roles(&self) -> Result<Response, Problem> {
        self.caller.require("access.read")?;
        let listed = self.store().list_roles(self.cursor()?.as_deref(), self.limit()?).await?;
        Ok(page(listed.items.iter().map(shown).collect(), listed.next))
    }

    pub(super) async fn create_role(&self) -> Result<Response, Problem> {
        self.caller.require("access.write")?;
        let Members { name, description } = members(body::object(self.request, false)?)?;
        let role = Role { name, description, created_at: self.fresh.now, updated_at: self.fresh.now, version: 1 };
        let audit = self.audit("role.created", None, Some(role.name.as_str()));
        match self.store().change_role(RoleChange::Create(&role), &audit, self.fresh).await? {
            Commit::Done => Ok(object(StatusCode::CREATED, &shown(&role), role.version)),
            Commit::Exists | Commit::Stale => Err(Problem::Conflict("a role of this name exists".to_owned())),
        }
    }

    pub(super) async fn show_role(&self, name: &str) -> Result<Response, Problem> {
        self.caller.require("access.read")?;
        let role = self.find_role(name).await?;
        Ok(object(StatusCode::OK, &shown(&role), role.version))
    }

    pub(super) async fn change_role(&self, name: &str) -> Result<Response, Problem> {
        self.caller.require("access.write")?;
        let patch = body::object(self.request, false)?;
        for _ in 0..ATTEMPTS {
            let role = self.find_role(name).await?;
            self.if_match(role.version)?;
            let mut merged = Map::from_iter([("name".to_owned(), json!(role.name)), ("description".to_owned(), json!(role.description))]);
            body::merge(&mut merged, patch.clone());
            let Members { name, description } = members(merged)?;
            if name != role.name {
                return Err(vec![Invalid::new("/name", "cannot be changed, make another role")].into());
            }
            let changed = Role { description, updated_at: self.fresh.now, ..role };
            let audit = self.audit("role.changed", None, Some(changed.name.as_str()));
            if self.store().change_role(RoleChange::Replace(&changed), &audit, self.fresh).await? == Commit::Done {
                let changed = Role { version: changed.version + 1, ..changed };
                return Ok(object(StatusCode::OK, &shown(&changed), changed.version));
            }
        }
        Err(Problem::Unavailable("the role kept changing".to_owned()))
    }

    pub(super) async fn delete_role(&self, name: &str) -> Result<Response, Problem> {
        self.caller.require("access.write")?;
        for _ in 0..ATTEMPTS {
            let role = self.find_role(name).await?;
            self.if_match(role.version)?;
            let audit = self.audit("role.deleted", None, Some(role.name.as_str()));
            if self.store().change_role(RoleChange::Delete(&role), &audit, self.fresh).await? == Commit::Done {
                return Ok(respond::empty(StatusCode::NO_CONTENT));
            }
            if let Some(uses @ 1..) = self.store().uses_of_role(&role.name).await? {
                let detail = format!("the role is used {uses} times: take it from the clients, users, groups and privileges that name it first");
                return Err(Problem::Conflict(detail));
            }
        }
        Err(Problem::Unavailable("the role kept changing".to_owned()))
    }

    async fn find_role(&self, name: &str) -> Result<Role, Problem> {
        let name = Name::parse(name).ok_or(Problem::NotFound)?;
        let found = self.store().batch().with(Key::Role(name.as_str())).read().await?;
        found.role(name.as_str())?.ok_or(Problem::NotFound)
    }

    /// Refuses a list that names a role which does not exist.
    pub(super) async fn must_exist(&self, roles: &[Name]) -> Result<(), Problem> {
        let found = roles.iter().fold(self.store().batch(), |batch, role| batch.with(Key::Role(role.as_str()))).read().await?;
        let mut faults = Vec::new();
        for (at, role) in roles.iter().enumerate() {
            if found.role(role.as_str())?.is_none() {
                faults.push(Invalid::new(format!("/roles/{at}"), format!("there is no role {role}, make it first")));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults.into()) }
    }
}

fn members(members: Map<String, Value>) -> Result<Members, Problem> {
    let members: Members = body::read(members, &MEMBERS)?;
    let is_plain = members.description.chars().count() <= 500 && !members.description.chars().any(char::is_control);
    if is_plain { Ok(members) } else { Err(vec![Invalid::new("/description", "must be at most 500 characters without control characters")].into()) }
}

fn shown(role: &Role) -> Value {
    json!({
        "name": role.name,
        "description": role.description,
        "created_at": role.created_at.rfc3339(),
        "updated_at": role.updated_at.rfc3339(),
        "version": role.version,
    })
}
