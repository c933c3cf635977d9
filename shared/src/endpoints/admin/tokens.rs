//! `/admin/v1/tokens`: the records of live tokens.

use http::StatusCode;
use serde_json::{Value, json};

use super::super::respond::{self, Response};
use super::problem::Problem;
use super::{Context, page};
use crate::oauth::access_token::TokenRecord;
use crate::oauth::ids::ClientId;
use crate::oauth::user::UserId;

impl Context<'_> {
    pub(super) async fn list_tokens(&self) -> Result<Response, Problem> {
        self.caller.require("tokens.read")?;
        let user_id = self.request.query("user_id").and_then(UserId::parse);
        let owner = match (self.request.query("client_id").and_then(ClientId::parse), user_id) {
            (Some(client_id), None) => client_id.to_string(),
            (None, Some(user_id)) => user_id.as_str().to_owned(),
            _ => return Err(Problem::parameter("client_id", "must name a client, or user_id a user")),
        };
        let listed = self.store().list_tokens(&owner, self.cursor()?.as_deref(), self.limit()?).await?;
        let is_live = |record: &&TokenRecord| record.revoked_at.is_none() && self.fresh.now < record.claims.exp;
        Ok(page(listed.items.iter().filter(is_live).map(shown).collect(), listed.next))
    }

    pub(super) async fn show_token(&self, jti: &str) -> Result<Response, Problem> {
        self.caller.require("tokens.read")?;
        let record = self.store().token(jti).await?.ok_or(Problem::NotFound)?;
        Ok(respond::json(StatusCode::OK, &shown(&record)))
    }

    pub(super) async fn revoke_token(&self, jti: &str) -> Result<Response, Problem> {
        self.caller.require("tokens.write")?;
        let record = self.store().token(jti).await?.ok_or(Problem::NotFound)?;
        let audit = self.audit("token.revoked", Some(&record.claims.client_id), Some(jti));
        self.store().revoke_token(&record, &audit, self.fresh).await?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }
}

fn shown(record: &TokenRecord) -> Value {
    let claims = &record.claims;
    json!({
        "jti": claims.jti,
        "client_id": claims.client_id,
        "sub": claims.sub,
        "sub_type": claims.sub_type.as_str(),
        "aud": claims.aud,
        "scope": claims.scope,
        "format": record.format,
        "issued_at": claims.iat.rfc3339(),
        "expires_at": claims.exp.rfc3339(),
        "revoked_at": record.revoked_at.map(|at| at.rfc3339()),
    })
}
