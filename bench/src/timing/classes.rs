//! What is compared with something secret, in this process: guesses that are nearly right against guesses that are not.

use serde_json::json;
use shared::oauth::client::Client;
use shared::oauth::client_auth::{Credentials, authenticate};
use shared::oauth::form::Form;
use shared::oauth::fresh::Fresh;
use shared::oauth::grant::{Allowed, Grant, GrantId, GrantToken, Kind, Redemption};
use shared::oauth::ids::ClientId;
use shared::oauth::password::{Password, StoredPassword, nobodys_work};
use shared::oauth::pkce::{CodeChallenge, CodeVerifier};
use shared::oauth::secret::{ClientSecret, OpaqueToken, StoredSecret};
use shared::oauth::time::Timestamp;
use shared::oauth::user::{Epoch, UserId};

use super::{Plan, Row, compare};
use crate::Error;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const GUESSES: [&str; 2] = ["right but for the end", "random"];

pub fn measure(plan: &Plan) -> Result<Vec<Row>, Error> {
    Ok(vec![
        control_same(plan)?,
        control_leaks(plan)?,
        secret(plan)?,
        client(plan, 1)?,
        client(plan, 2)?,
        code(plan)?,
        refresh_token(plan)?,
        verifier(plan)?,
        opaque_token(plan)?,
        password(plan)?,
    ])
}

/// Randomness that is the same in every run, and another for each number.
fn fresh(number: u64) -> Fresh {
    let mut seed = [0; 32];
    for (place, byte) in seed.iter_mut().zip(number.to_be_bytes()) {
        *place = byte;
    }
    Fresh::new(NOW, seed)
}

/// Guesses at `right`, all of its length: of the first class nearly right, of the second random but for `prefix`. Both are made byte by byte
/// by the same steps: text that was copied in other pieces is for a moment slower to read.
fn guesses<'a>(right: &'a str, prefix: &'a str) -> impl Fn(usize, u64) -> Option<String> + 'a {
    move |class, number| {
        let random = fresh(number + 1_000);
        let random = random.text("guess") + &random.text("more");
        // The last character of base64 may carry fewer bits than the others: it stays.
        let (kept, last) = (if class == 0 { right.len() - 4 } else { prefix.len() }, right.len() - 1);
        let pick = |(place, (right, random))| if (place < kept) | (place == last) { right } else { random };
        String::from_utf8(right.bytes().zip(random.bytes()).enumerate().map(pick).collect()).ok()
    }
}

/// What this machine makes of no difference at all.
fn control_same(plan: &Plan) -> Result<Row, Error> {
    let secret = ClientSecret::generate(&fresh(1));
    let stored = StoredSecret::of(&secret, None, &fresh(1));
    let guess = guesses(secret.expose(), "");
    let prepare = |_, number| guess(1, number).map(ClientSecret::new);
    compare(("control, no difference", ["random", "random"]), plan.cheap, prepare, |guess| stored.matches(guess))
}

/// What it makes of the difference that all of this is about.
fn control_leaks(plan: &Plan) -> Result<Row, Error> {
    let right = fresh(1).text("right");
    let leaks = |guess: &mut String| guess.bytes().zip(right.bytes()).all(|(one, other)| one == other);
    compare(("control, stops where it differs", GUESSES), plan.cheap, guesses(&right, ""), leaks)
}

fn secret(plan: &Plan) -> Result<Row, Error> {
    let secret = ClientSecret::generate(&fresh(1));
    let stored = StoredSecret::of(&secret, None, &fresh(1));
    let guess = guesses(secret.expose(), "");
    let prepare = |class, number| guess(class, number).map(ClientSecret::new);
    compare(("client secret", GUESSES), plan.cheap, prepare, |guess| stored.matches(guess))
}

/// The whole authentication. The client was read for it and ends with it, and that is timed too.
fn client(plan: &Plan, secrets: u64) -> Result<Row, Error> {
    let stored: Vec<StoredSecret> =
        (1..=secrets).map(|number| StoredSecret::of(&ClientSecret::generate(&fresh(number)), None, &fresh(number))).collect();
    let client: Client = serde_json::from_value(json!({
        "client_id": "bench", "secrets": stored,
        "metadata": {"client_name": "bench", "grant_types": ["client_credentials"], "token_endpoint_auth_method": "client_secret_post"},
        "tokens_valid_from": 0, "created_at": 0, "updated_at": 0, "version": 1,
    }))?;
    let credentials = |number: u64| {
        let form = format!("client_id=bench&client_secret={}", ClientSecret::generate(&fresh(number + 1_000)).expose());
        Credentials::parse(&[], &Form::parse(form.as_bytes()).ok()?).ok()
    };
    let name = if secrets == 1 { "authenticate" } else { "authenticate, two secrets" };
    compare(
        (name, ["unknown client", "wrong secret"]),
        plan.cheap,
        |class, number| Some((credentials(number)?, Some(client.clone()).filter(|_| class == 1))),
        |(credentials, client)| authenticate(credentials, client.take(), NOW).is_ok(),
    )
}

fn verifier_of(text: &str) -> Result<CodeVerifier, Error> {
    CodeVerifier::parse(text).ok_or_else(|| "the verifier is the RFC's".into())
}

/// A grant as it is after the user allowed it, with its code.
fn grant() -> Result<(Grant, GrantToken), Error> {
    let fresh = fresh(1);
    let id = GrantId::parse(&fresh.id("grant")).ok_or("a grant has an id")?;
    let (client_id, user_id) = (ClientId::parse("bench").ok_or("a client has an id")?, UserId::generate(&fresh));
    let allowed = Allowed {
        client_id: &client_id,
        user_id: &user_id,
        aud: "https://orders.example/",
        scope: vec!["read".to_owned()],
        redirect_uri: "https://app.example/cb",
        challenge: CodeChallenge::parse(CHALLENGE).ok_or("the challenge is the RFC's")?,
        epoch: Epoch { password: NOW, withdrawn: None },
    };
    Ok(Grant::allow(id, allowed, &fresh))
}

fn code(plan: &Plan) -> Result<Row, Error> {
    let (grant, code) = grant()?;
    let (client_id, verifier) = (grant.client_id.clone(), verifier_of(VERIFIER)?);
    let prefix = format!("gw_ac_{}.", grant.grant_id.as_str());
    let (right, now) = (code.expose(), fresh(1));
    let guess = guesses(&right, &prefix);
    let prepare = |class, number| GrantToken::parse(Kind::Code, &guess(class, number)?);
    compare(("authorization code", GUESSES), plan.cheap, prepare, |code| {
        let redirect_uri = Some("https://app.example/cb");
        grant.redeem(&Redemption { code, client_id: &client_id, redirect_uri, verifier: &verifier, refresh_life: Some(3_600) }, false, &now)
    })
}

fn refresh_token(plan: &Plan) -> Result<Row, Error> {
    let (grant, code) = grant()?;
    let (client_id, verifier, now) = (grant.client_id.clone(), verifier_of(VERIFIER)?, fresh(1));
    let redirect_uri = Some("https://app.example/cb");
    let redemption = Redemption { code: &code, client_id: &client_id, redirect_uri, verifier: &verifier, refresh_life: Some(3_600) };
    let redeemed = grant.redeem(&redemption, false, &now);
    let (grant, token) = redeemed.grant.zip(redeemed.answer.ok().flatten()).ok_or("the code is good")?;
    let prefix = format!("gw_rt_{}.", grant.grant_id.as_str());
    let right = token.expose();
    let guess = guesses(&right, &prefix);
    let prepare = |class, number| GrantToken::parse(Kind::Refresh, &guess(class, number)?);
    compare(("refresh token", GUESSES), plan.cheap, prepare, |token| grant.refresh(token, &client_id, 3_600, &now))
}

fn verifier(plan: &Plan) -> Result<Row, Error> {
    let challenge = CodeChallenge::parse(CHALLENGE).ok_or("the challenge is the RFC's")?;
    let guess = guesses(VERIFIER, "");
    let prepare = |class, number| CodeVerifier::parse(&guess(class, number)?);
    compare(("PKCE verifier", GUESSES), plan.cheap, prepare, |guess| challenge.matches(guess))
}

/// What is done with an opaque token before the table is asked for its digest.
fn opaque_token(plan: &Plan) -> Result<Row, Error> {
    let token = OpaqueToken::generate(&fresh(1));
    let parse = |text: &mut String| OpaqueToken::parse(text).map(|token| token.digest());
    compare(("opaque token", GUESSES), plan.cheap, guesses(token.expose(), "gw_at_"), parse)
}

fn password(plan: &Plan) -> Result<Row, Error> {
    let right = Password::presented("correct horse battery staple").ok_or("the password has its length")?;
    let stored = StoredPassword::of(&right, &fresh(1)).ok_or("the password can be hashed")?;
    let prepare = |class, number| Some((Password::presented(&fresh(number + 1_000).text("password"))?, class == 1));
    compare(("password", ["unknown user", "wrong password"]), plan.passwords, prepare, |(guess, is_known)| match is_known {
        true => stored.matches(guess),
        false => {
            nobodys_work(guess);
            false
        }
    })
}
