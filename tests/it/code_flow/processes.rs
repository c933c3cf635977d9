//! The flow through the real function binaries, which share nothing but the table.

use http::StatusCode;
use local::runtime_api::Function;
use serde_json::{Value, json};
use shared::endpoints::Response;

use crate::binaries::{Deployment, invoke};
use crate::browser::{CALLBACK, PASSWORD, People, VERIFIER, field, location, parameter};
use crate::shapes::{Sent, rest};
use crate::support::{ISSUER, encoded};

/// A call of a function as API Gateway makes it, with these cookies.
async fn called(function: &Function, sent: &Sent<'_>, cookies: &[String]) -> Response {
    let mut event = rest(sent);
    event["headers"]["Cookie"] = json!(cookies.join("; "));
    event["multiValueHeaders"]["Cookie"] = json!([cookies.join("; ")]);
    let answer = invoke(function, &event).await.unwrap();
    let mut response = Response::new(answer["body"].as_str().unwrap_or_default().to_owned().into());
    *response.status_mut() = StatusCode::from_u16(u16::try_from(answer["statusCode"].as_u64().unwrap()).unwrap()).unwrap();
    for (name, value) in answer["headers"].as_object().into_iter().chain(answer["multiValueHeaders"].as_object()).flatten() {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        let value = value.get(0).unwrap_or(value).as_str().unwrap();
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// The cookie that an answer sets.
fn cookie(response: &Response) -> String {
    response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

/// The form of a page with these fields.
fn filled(page: &Response, fields: &[(&str, &str)]) -> String {
    let hidden = ["request", "proof"].map(|name| format!("{name}={}", encoded(&field(page, name))));
    hidden.into_iter().chain(fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)))).collect::<Vec<_>>().join("&")
}

#[tokio::test]
async fn the_whole_flow_in_processes_that_share_nothing_but_the_table() {
    // MI-06, RT-05, HT-01, I-16, SE-05, SE-07, PK-12: each step in another process, at its most talkative, and one of them killed in between
    let deployment = Deployment::start(&[]).await;
    let people = Box::pin(People::of(&deployment.server)).await;
    let (here, there) = (deployment.function("authorize", &[]).await, deployment.function("authorize", &[]).await);
    let url = People::url(&[("state", "CanaryState")]);
    let (path, query) = url.split_once('?').unwrap();
    let asked = Sent { query, ..Sent::get(path) };
    let page = called(&here, &asked, &[]).await;
    let mut cookies = vec![cookie(&page)];
    let wrong = filled(&page, &[("action", "sign_in"), ("username", "alice"), ("password", "CanaryPassword")]);
    assert_eq!(called(&there, &Sent { form: &wrong, ..Sent::post(path) }, &cookies).await.status(), 200);
    let right = filled(&page, &[("action", "sign_in"), ("username", "alice"), ("password", PASSWORD)]);
    let answer = called(&there, &Sent { form: &right, ..Sent::post(path) }, &cookies).await;
    cookies.push(cookie(&answer));
    let next = location(&answer);
    let page = called(&here, &Sent { query: next.split_once('?').unwrap().1, ..Sent::get(path) }, &cookies).await;
    let approval = filled(&page, &[("action", "approve"), ("allow", "read")]);
    let back = location(&called(&there, &Sent { form: &approval, ..Sent::post(path) }, &cookies).await);
    assert_eq!((parameter(&back, "iss").as_deref(), parameter(&back, "state").as_deref()), (Some(ISSUER), Some("CanaryState")));
    let code = parameter(&back, "code").unwrap();
    let token = deployment.function("token", &[]).await;
    let ask = async |function: &Function, form: &str| {
        let sent = Sent { authorization: &people.client, form, ..Sent::post("/oauth2/token") };
        let answer = invoke(function, &rest(&sent)).await.unwrap();
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        (answer["statusCode"].as_u64().unwrap(), body)
    };
    let form = format!("grant_type=authorization_code&code={code}&redirect_uri={}&code_verifier={VERIFIER}", encoded(CALLBACK));
    let (status, tokens) = ask(&token, &form).await;
    assert_eq!(status, 200, "{}", tokens["error"]);
    let refresh = |token: &Value| format!("grant_type=refresh_token&refresh_token={}", token.as_str().unwrap());
    let (_, second) = ask(&token, &refresh(&tokens["refresh_token"])).await;
    let (_, third) = ask(&token, &refresh(&second["refresh_token"])).await;
    let mut printed = token.output();
    token.stop().await;
    let restarted = deployment.function("token", &[]).await;
    assert_eq!(ask(&restarted, &refresh(&tokens["refresh_token"])).await.1["error"], "invalid_grant");
    assert_eq!(ask(&restarted, &refresh(&third["refresh_token"])).await.1["error"], "invalid_grant", "the family is dead");
    // I-16: the password grant, right, wrong, and with all of it in the URL
    let client = crate::browser::password_client(&deployment.server, json!({"enforce_assignments": false})).await;
    let by_password = deployment.function("token", &[("GATEWRIGHT_PASSWORD_GRANT", "on")]).await;
    for (password, expected) in [(PASSWORD, 200), ("CanaryPassword", 400)] {
        let form = format!("grant_type=password&username=alice&password={}", encoded(password));
        for (query, form, expected) in [("", form.as_str(), expected), (&form, "", 400)] {
            let sent = Sent { authorization: &client, query, form, ..Sent::post("/oauth2/token") };
            assert_eq!(invoke(&by_password, &rest(&sent)).await.unwrap()["statusCode"], expected, "{expected}");
        }
    }
    for function in [&here, &there, &restarted, &by_password] {
        printed.push_str(&function.output());
    }
    assert!(printed.contains("token issued") && printed.contains("token refused"));
    let secret_part = |token: &str| token.split_once('.').unwrap().1.to_owned();
    let mut canaries = ["CanaryPassword", "CanaryState", VERIFIER, PASSWORD].map(str::to_owned).to_vec();
    canaries.extend([encoded(PASSWORD), secret_part(&code), people.client.strip_prefix("Basic ").unwrap().to_owned()]);
    canaries.push(client.strip_prefix("Basic ").unwrap().to_owned());
    canaries.extend([&tokens, &second, &third].map(|answer| secret_part(answer["refresh_token"].as_str().unwrap())));
    canaries.extend(cookies.iter().map(|cookie| cookie.split_once('=').unwrap().1.to_owned()));
    for canary in canaries {
        let found = printed.lines().find(|line| line.contains(&canary));
        assert!(found.is_none(), "{canary} was printed: {}", found.unwrap_or_default());
    }
}
