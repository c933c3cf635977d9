//! `/admin/v1/keys`: the public halves, their phases and dates, and rotation.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::respond::{self, Response};
use super::super::rotate::Rotation;
use super::problem::Problem;
use super::{Context, body, page};

#[derive(Deserialize)]
struct RotateBody {
    #[serde(default)]
    emergency: bool,
}

impl Context<'_> {
    pub(super) async fn list_keys(&self) -> Result<Response, Problem> {
        self.caller.require("keys.read")?;
        Ok(page(self.shown_keys().await?, None))
    }

    pub(super) async fn rotate_keys(&self) -> Result<Response, Problem> {
        self.caller.require("keys.write")?;
        let wanted: RotateBody = body::read(body::object(self.request, true)?, &["emergency"])?;
        let rotation = if wanted.emergency { Rotation::Emergency } else { Rotation::Now };
        let rotated = self.endpoint.rotate.rotate(rotation, &self.caller.actor, self.fresh).await?;
        if rotated.is_empty() && !self.endpoint.evidence.keyring.set().takes_more(self.fresh.now) {
            return Err(Problem::Conflict(
                "the key set is as large as verifiers take: rotate again when a retired key is gone, or with `emergency`".into(),
            ));
        }
        Ok(respond::json(StatusCode::ACCEPTED, &json!({"items": self.shown_keys().await?})))
    }

    async fn shown_keys(&self) -> Result<Vec<Value>, Problem> {
        let keyring = &self.endpoint.evidence.keyring;
        keyring.read(self.fresh.now).await?;
        let set = keyring.set();
        let shown = set.keys.iter().map(|key| {
            json!({
                "kid": key.jwk.kid,
                "alg": key.jwk.alg,
                "phase": set.phase(key, self.fresh.now),
                "created_at": key.created_at.rfc3339(),
                "active_from": key.active_from.rfc3339(),
                "withdrawn_at": key.withdrawn_at.map(|at| at.rfc3339()),
            })
        });
        Ok(shown.collect())
    }
}
