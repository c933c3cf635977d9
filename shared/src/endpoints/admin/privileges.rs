//! `/admin/v1/privileges`, and `/admin/v1/routes/explain`.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::respond::{self, Response};
use super::super::route_view::RouteView;
use super::problem::Problem;
use super::{ATTEMPTS, Context, body, object, page};
use crate::oauth::api::{Api, Apis};
use crate::oauth::gates::Call;
use crate::oauth::ids::Name;
use crate::oauth::invalid::Invalid;
use crate::oauth::path::CanonicalPath;
use crate::oauth::privilege::{Method, Privilege, PrivilegeAccess, PrivilegeMetadata};
use crate::oauth::route_table::{Matched, RouteTable, ties_with_itself};
use crate::store::{Commit, Key, PrivilegeChange};

const MEMBERS: [&str; 8] = ["name", "api", "routes", "roles", "scopes", "scopes_match", "subjects", "access"];

/// The Apis, and the privileges of one of them, as they are.
struct Access {
    apis: Apis,
    api: Api,
    table: RouteTable,
}

impl Context<'_> {
    pub(super) async fn list_privileges(&self) -> Result<Response, Problem> {
        self.caller.require("access.read")?;
        let listed = self.store().list_privileges(self.cursor()?.as_deref(), self.limit()?).await?;
        let api = self.request.query("api");
        let is_of = |privilege: &&Privilege| api.is_none_or(|api| privilege.metadata.api.as_str() == api);
        Ok(page(listed.items.iter().filter(is_of).map(shown).collect(), listed.next))
    }

    pub(super) async fn create_privilege(&self) -> Result<Response, Problem> {
        self.caller.require("access.write")?;
        let metadata = read(body::object(self.request, false)?)?;
        for _ in 0..ATTEMPTS {
            let access = self.access(&metadata.api).await?;
            let metadata = metadata.clone().checked(&access.apis)?;
            self.must_exist(&metadata.roles).await?;
            let privilege = Privilege { metadata, created_at: self.fresh.now, updated_at: self.fresh.now, version: 1 };
            match self.commit(&access, "privilege.created", PrivilegeChange::Create(&privilege)).await? {
                Commit::Done => return Ok(object(StatusCode::CREATED, &shown(&privilege), privilege.version)),
                Commit::Exists => return Err(Problem::Conflict("a privilege of this name exists".to_owned())),
                Commit::Stale => {}
            }
        }
        Err(Problem::Unavailable("the apis kept changing".to_owned()))
    }

    pub(super) async fn show_privilege(&self, name: &str) -> Result<Response, Problem> {
        self.caller.require("access.read")?;
        let privilege = self.find_privilege(name).await?;
        Ok(object(StatusCode::OK, &shown(&privilege), privilege.version))
    }

    pub(super) async fn change_privilege(&self, name: &str) -> Result<Response, Problem> {
        self.caller.require("access.write")?;
        let patch = body::object(self.request, false)?;
        for _ in 0..ATTEMPTS {
            let was = self.find_privilege(name).await?;
            self.if_match(was.version)?;
            let mut members = body::members(&was.metadata);
            // A list that is absent by default is taken back to that by null.
            body::merge(&mut members, patch.clone());
            let metadata = read(members)?;
            for (pointer, is, was) in [("/name", &metadata.name, &was.metadata.name), ("/api", &metadata.api, &was.metadata.api)] {
                if is != was {
                    return Err(vec![Invalid::new(pointer, "cannot be changed, make another privilege")].into());
                }
            }
            let access = self.access(&metadata.api).await?;
            let metadata = metadata.checked(&access.apis)?;
            self.must_exist(&metadata.roles).await?;
            let changed = Privilege { metadata, updated_at: self.fresh.now, ..was.clone() };
            if self.commit(&access, "privilege.changed", PrivilegeChange::Replace(&changed, &was)).await? == Commit::Done {
                let changed = Privilege { version: changed.version + 1, ..changed };
                return Ok(object(StatusCode::OK, &shown(&changed), changed.version));
            }
        }
        Err(Problem::Unavailable("the privilege kept changing".to_owned()))
    }

    pub(super) async fn delete_privilege(&self, name: &str) -> Result<Response, Problem> {
        self.caller.require("access.write")?;
        for _ in 0..ATTEMPTS {
            let privilege = self.find_privilege(name).await?;
            self.if_match(privilege.version)?;
            let access = self.access(&privilege.metadata.api).await?;
            if self.commit(&access, "privilege.deleted", PrivilegeChange::Delete(&privilege)).await? == Commit::Done {
                return Ok(respond::empty(StatusCode::NO_CONTENT));
            }
        }
        Err(Problem::Unavailable("the privilege kept changing".to_owned()))
    }

    /// `/routes/explain`: what a call meets, and what it does not.
    pub(super) async fn explain_route(&self) -> Result<Response, Problem> {
        self.caller.require("access.read")?;
        let method = self.request.query("method").filter(|method| Method::could_be(method));
        let method = method.ok_or_else(|| Problem::parameter("method", "must name a method, in capitals: GET"))?;
        let path = self.request.query("path").ok_or_else(|| Problem::parameter("path", "must be a path"))?;
        let path = CanonicalPath::parse(path).ok_or_else(|| Problem::parameter("path", "is not in the canonical spelling, no call of it passes"))?;
        let gateway = self.request.query("gateway").unwrap_or_default().to_owned();
        let call = Call { gateway, method: method.to_owned(), path: Some(path.clone()), backends: Vec::new() };
        let apis = self.apis().await?;
        let api = call.api(&apis);
        let table = match api {
            Some(api) => Some(self.table(api).await?),
            None => None,
        };
        let matching = table.as_ref().map(|table| table.matching(method, path.segments())).unwrap_or_default();
        let protection = call.protection(&apis, table.as_ref());
        let route = |matched: &Matched<'_>, because: Option<&str>| {
            let mut shown = json!({
                "privilege": matched.privilege.metadata.name,
                "methods": matched.route.and_then(|route| route.methods.as_ref()),
                "path": matched.route.map(|route| route.path.to_string()),
            });
            if let Some(members) = shown.as_object_mut() {
                members.extend(because.map(|because| ("because".to_owned(), because.into())));
            }
            shown
        };
        let losers = matching.split_first().map(|(winner, losers)| {
            let lost = |loser: &Matched<'_>| route(loser, Some(loser.lost_because(winner)));
            losers.iter().map(lost).collect::<Vec<_>>()
        });
        Ok(respond::json(
            StatusCode::OK,
            &json!({
                "method": method,
                "path": path.as_str(),
                "api": api.map(|api| &api.metadata.name),
                "winner": matching.first().map(|winner| route(winner, None)),
                "losers": losers.unwrap_or_default(),
                "asks": protection.as_ref().map(RouteView::of),
            }),
        ))
    }

    async fn find_privilege(&self, name: &str) -> Result<Privilege, Problem> {
        let name = Name::parse(name).ok_or(Problem::NotFound)?;
        self.store().privilege(name.as_str()).await?.ok_or(Problem::NotFound)
    }

    async fn access(&self, api: &Name) -> Result<Access, Problem> {
        let apis = self.apis().await?;
        let api = apis.named(api.as_str()).cloned().ok_or_else(|| vec![Invalid::new("/api", "no api has this name")])?;
        let table = self.table(&api).await?;
        Ok(Access { apis, api, table })
    }

    /// The privileges of an Api.
    pub(super) async fn table(&self, api: &Api) -> Result<RouteTable, Problem> {
        let privileges = self.store().privileges_of(&api.metadata.name).await?;
        Ok(RouteTable::new(&api.metadata.base_path, privileges))
    }

    pub(super) async fn apis(&self) -> Result<Apis, Problem> {
        Ok(self.store().batch().with(Key::Apis).read().await?.apis()?)
    }

    /// Writes a change that leaves every route with one winner, and none public without an explicit word.
    async fn commit(&self, access: &Access, event: &str, change: PrivilegeChange<'_>) -> Result<Commit, Problem> {
        let base_path = &access.api.metadata.base_path;
        let (privilege, is_to_be) = match change {
            PrivilegeChange::Create(new) => (new, Some(new)),
            PrivilegeChange::Replace(new, _) => (new, Some(new)),
            PrivilegeChange::Delete(old) => (old, None),
        };
        let name = privilege.metadata.name.as_str();
        if let Some(new) = is_to_be {
            if ties_with_itself(&new.metadata, base_path) {
                return Err(Problem::Conflict("two routes of the privilege are equally specific for the same calls".to_owned()));
            }
            if let Some(other) = access.table.tie(&new.metadata, base_path) {
                let detail = format!("a route is as specific as one of the privilege {} for the same calls", other.metadata.name);
                return Err(Problem::Conflict(detail));
            }
        }
        let after = match is_to_be {
            Some(new) => access.table.with(new),
            None => access.table.without(name),
        };
        let after = RouteTable::new(base_path, after);
        let opens = access.table.opens_as(&after, access.api.metadata.access);
        let says_public = is_to_be.is_some_and(|new| new.metadata.access == PrivilegeAccess::Public);
        if opens && !says_public {
            self.must_say_public()?;
        }
        let audit = self.audit(event, None, Some(name));
        let opened = opens.then(|| self.audit("route_became_public", None, Some(name)));
        let apis = access.apis.with_privileges(&access.api.metadata.name, after.privileges().len());
        Ok(self.store().change_privilege(change, &apis, (&audit, opened.as_ref()), self.fresh).await?)
    }

    /// Refuses what would make a route public, unless the query says that it should.
    pub(super) fn must_say_public(&self) -> Result<(), Problem> {
        match self.request.query("make_public") {
            None | Some("false") => {
                Err(Problem::Conflict("a route would become public by this; say make_public=true in the query if it should".to_owned()))
            }
            Some("true") => Ok(()),
            Some(_) => Err(Problem::parameter("make_public", "must be true or false")),
        }
    }
}

fn read(members: Map<String, Value>) -> Result<PrivilegeMetadata, Problem> {
    for (at, route) in members.get("routes").and_then(Value::as_array).into_iter().flatten().enumerate() {
        if let Value::Object(route) = route {
            body::only_known(route, &["methods", "path"], &format!("/routes/{at}"))?;
        }
    }
    body::read(members, &MEMBERS)
}

fn shown(privilege: &Privilege) -> Value {
    let mut members = body::members(&privilege.metadata);
    members.insert("created_at".to_owned(), privilege.created_at.rfc3339().into());
    members.insert("updated_at".to_owned(), privilege.updated_at.rfc3339().into());
    members.insert("version".to_owned(), json!(privilege.version));
    Value::Object(members)
}
