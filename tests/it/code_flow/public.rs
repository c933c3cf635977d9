//! What a public client does with its own name alone.

use serde_json::json;

use super::{is_active, other_client, public_client, refreshed, started};
use crate::browser::{CALLBACK, VERIFIER};
use crate::http::outcome;
use crate::support::{encoded, json_of};

#[tokio::test]
async fn a_public_client_revokes_its_own_tokens_and_no_others() {
    // RV-06, RV-05
    let (server, people) = started().await;
    public_client(&server, &people, json!({})).await;
    public_client_named(&server, "p2").await;
    let other = other_client(&server, &people).await;
    let revoke = async |form: &str| outcome(&server.post("/oauth2/revoke", "", form).await);
    for kind in ["access_token", "refresh_token"] {
        let code = people.code_of(&server, &[("client_id", "p1")]).await;
        let form = format!("grant_type=authorization_code&client_id=p1&code={code}&redirect_uri={}&code_verifier={VERIFIER}", encoded(CALLBACK));
        let tokens = json_of(&server.post("/oauth2/token", "", &form).await);
        let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
        let token = tokens[kind].as_str().unwrap();
        assert_eq!(revoke(&format!("token={token}")).await, "401 invalid_client", "{kind}: without a name");
        assert_eq!(revoke(&format!("token={token}&client_id=c_code")).await, "401 invalid_client", "{kind}: with the name of a confidential one");
        assert_eq!(revoke(&format!("token={token}&client_id=p2")).await, "400 unauthorized_client", "{kind}: with another's");
        assert!(is_active(&server, &other, access).await, "{kind}");
        assert_eq!(revoke(&format!("token={token}&client_id=p1")).await, "200", "{kind}");
        assert!(!is_active(&server, &other, access).await, "{kind}");
        // RV-04: the refresh token outlives the access token, and not the other way round.
        let expected = if kind == "access_token" { "200" } else { "400 invalid_grant" };
        assert_eq!(refreshed(&server, "", refresh, "&client_id=p1").await.0, expected, "{kind}");
    }
}

async fn public_client_named(server: &crate::support::Server, client_id: &str) {
    let body = json!({"client_type": "public", "grant_types": ["authorization_code"], "redirect_uris": [CALLBACK], "realm": "staff"});
    server.client(client_id, body).await;
}
