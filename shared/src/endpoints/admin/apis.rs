//! `/admin/v1/apis`.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::respond::{self, Response};
use super::super::rotate::Rotation;
use super::problem::Problem;
use super::{ATTEMPTS, Context, body, object, page};
use crate::oauth::api::{Access, Api, ApiConflict, ApiMetadata, Apis, TokenRecords};
use crate::oauth::ids::Name;
use crate::oauth::invalid::Invalid;
use crate::oauth::privilege::Privilege;
use crate::store::Commit;

const MEMBERS: [&str; 13] = [
    "name",
    "audience",
    "base_path",
    "gateway",
    "scopes",
    "access",
    "anonymous",
    "basic_auth",
    "access_token_ttl",
    "signing_alg",
    "token_records",
    "resource_server_client_id",
    "tags",
];

impl Context<'_> {
    pub(super) async fn list_apis(&self) -> Result<Response, Problem> {
        self.caller.require("apis.read")?;
        let apis = self.apis().await?;
        let after = self.cursor()?.unwrap_or_default();
        let limit = self.limit()?;
        let mut rest: Vec<&Api> = apis.stored().filter(|api| api.metadata.name.as_str() > after.as_str()).collect();
        rest.sort_unstable_by(|left, right| left.metadata.name.cmp(&right.metadata.name));
        let next = rest.get(limit.saturating_sub(1)).filter(|_| rest.len() > limit).map(|api| api.metadata.name.to_string());
        Ok(page(rest.into_iter().take(limit).map(shown).collect(), next))
    }

    pub(super) async fn create_api(&self) -> Result<Response, Problem> {
        self.caller.require("apis.write")?;
        let members = body::object(self.request, false)?;
        known_scope_members(&members)?;
        let metadata = body::read::<ApiMetadata>(members, &MEMBERS)?.checked()?;
        let now = self.fresh.now;
        let records_since = (metadata.token_records == TokenRecords::Full).then_some(now);
        let api = Api { metadata, created_at: now, updated_at: now, records_since, privileges: 0, version: 1 };
        self.first_key(&api).await?;
        for _ in 0..ATTEMPTS {
            let with_it = self.apis().await?.with(api.clone(), None).map_err(conflict)?;
            if self.commit_apis("api.created", &api.metadata.name, &with_it, false).await? == Commit::Done {
                return Ok(object(StatusCode::CREATED, &shown(&api), api.version));
            }
        }
        Err(Problem::Unavailable("the apis kept changing".to_owned()))
    }

    pub(super) async fn show_api(&self, name: &str) -> Result<Response, Problem> {
        self.caller.require("apis.read")?;
        let apis = self.apis().await?;
        let api = apis.named(name).ok_or(Problem::NotFound)?;
        Ok(object(StatusCode::OK, &shown(api), api.version))
    }

    pub(super) async fn change_api(&self, name: &str) -> Result<Response, Problem> {
        self.caller.require("apis.write")?;
        let patch = body::object(self.request, false)?;
        known_scope_members(&patch)?;
        let name = Name::parse(name).ok_or(Problem::NotFound)?;
        for _ in 0..ATTEMPTS {
            let apis = self.apis().await?;
            let was = apis.named(name.as_str()).ok_or(Problem::NotFound)?;
            self.if_match(was.version)?;
            let changed = self.patched(was, patch.clone())?;
            self.must_still_fit(was, &changed).await?;
            self.first_key(&changed).await?;
            let with_it = apis.with(changed.clone(), Some(&name)).map_err(conflict)?;
            let becomes_public = was.metadata.access != Access::Public && changed.metadata.access == Access::Public;
            let opens = apis.opens_as(&with_it);
            if opens {
                self.must_say_public()?;
            }
            if self.commit_apis("api.changed", &name, &with_it, opens || becomes_public).await? == Commit::Done {
                return Ok(object(StatusCode::OK, &shown(&changed), changed.version));
            }
        }
        Err(Problem::Unavailable("the apis kept changing".to_owned()))
    }

    pub(super) async fn delete_api(&self, name: &str) -> Result<Response, Problem> {
        self.caller.require("apis.write")?;
        let name = Name::parse(name).ok_or(Problem::NotFound)?;
        for _ in 0..ATTEMPTS {
            let apis = self.apis().await?;
            let api = apis.named(name.as_str()).ok_or(Problem::NotFound)?;
            self.if_match(api.version)?;
            if api.privileges > 0 {
                return Err(Problem::Conflict("privileges name routes of the api, delete them first".to_owned()));
            }
            let without_it = apis.without(&name);
            let opens = apis.opens_as(&without_it);
            if opens {
                self.must_say_public()?;
            }
            if self.commit_apis("api.deleted", &name, &without_it, opens).await? == Commit::Done {
                return Ok(respond::empty(StatusCode::NO_CONTENT));
            }
        }
        Err(Problem::Unavailable("the apis kept changing".to_owned()))
    }

    fn patched(&self, api: &Api, patch: Map<String, Value>) -> Result<Api, Problem> {
        // Its tokens and its clients' scopes are of this audience, and everything refers to it by this name.
        let fixed = [("name", api.metadata.name.as_str()), ("audience", api.metadata.audience.as_str())];
        let moved = |(name, value): &(&str, &str)| patch.get(*name).is_some_and(|new| new != value);
        if let Some((name, _)) = fixed.iter().find(|member| moved(member)) {
            return Err(vec![Invalid::new(format!("/{name}"), "cannot be changed, make another api")].into());
        }
        let mut members = body::members(&api.metadata);
        body::merge(&mut members, patch);
        let metadata = body::read::<ApiMetadata>(members, &MEMBERS)?.checked()?;
        let records_since = match metadata.token_records {
            TokenRecords::Revocations => None,
            // Tokens that are being issued at this moment may still go without a record.
            TokenRecords::Full => api.records_since.or(Some(self.fresh.now.plus(60))),
        };
        Ok(Api { metadata, updated_at: self.fresh.now, records_since, version: api.version + 1, ..api.clone() })
    }

    /// Refuses a change that would leave a privilege of the Api without its routes or its scopes.
    async fn must_still_fit(&self, was: &Api, changed: &Api) -> Result<(), Problem> {
        let is_same = (&was.metadata.base_path, &was.metadata.scopes) == (&changed.metadata.base_path, &changed.metadata.scopes);
        if was.privileges == 0 || is_same {
            return Ok(());
        }
        let table = self.table(changed).await?;
        let fits = |privilege: &Privilege| privilege.metadata.fits(changed) && table.tie(&privilege.metadata, &changed.metadata.base_path).is_none();
        match table.privileges().iter().find(|privilege| !fits(privilege)) {
            Some(privilege) => {
                Err(Problem::Conflict(format!("the privilege {} names routes or scopes that the api would lose", privilege.metadata.name)))
            }
            None => Ok(()),
        }
    }

    /// An Api that wants RS256 brings the first key of it about.
    async fn first_key(&self, api: &Api) -> Result<(), Problem> {
        let alg = api.metadata.signing_alg;
        self.endpoint.rotate.rotate(Rotation::First(alg), &self.caller.actor, self.fresh).await?;
        Ok(())
    }

    async fn commit_apis(&self, event: &str, name: &Name, apis: &Apis, opens: bool) -> Result<Commit, Problem> {
        let audit = self.audit(event, None, Some(name.as_str()));
        let opened = opens.then(|| self.audit("route_became_public", None, Some(name.as_str())));
        Ok(self.store().change_apis(apis, (&audit, opened.as_ref()), self.fresh).await?)
    }
}

fn conflict(conflict: ApiConflict) -> Problem {
    Problem::Conflict(match conflict {
        ApiConflict::Name => "an api of this name exists".to_owned(),
        ApiConflict::Audience => "an api of this audience exists".to_owned(),
        ApiConflict::BasePath(name) => format!("the api {name} has this base_path on the same gateway"),
        ApiConflict::FullScope(full) => format!("the full scope {full} would belong to two apis"),
    })
}

/// The scopes are the one place where a body has objects within, and they are read as strictly.
fn known_scope_members(members: &Map<String, Value>) -> Result<(), Problem> {
    for (at, scope) in members.get("scopes").and_then(Value::as_array).into_iter().flatten().enumerate() {
        if let Value::Object(scope) = scope {
            body::only_known(scope, &["value", "description"], &format!("/scopes/{at}"))?;
        }
    }
    Ok(())
}

/// An Api as the admin API shows it: each scope also in full, as clients ask for it.
fn shown(api: &Api) -> Value {
    let mut members = body::members(&api.metadata);
    let scopes = api.metadata.scopes.iter().map(
        |scope| json!({"value": scope.value, "description": scope.description, "full_scope": format!("{}{}", api.metadata.audience, scope.value)}),
    );
    members.insert("scopes".to_owned(), scopes.collect());
    members.insert("created_at".to_owned(), api.created_at.rfc3339().into());
    members.insert("updated_at".to_owned(), api.updated_at.rfc3339().into());
    members.insert("version".to_owned(), json!(api.version));
    Value::Object(members)
}
