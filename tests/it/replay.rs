//! Cached answers: what API Gateway makes of one answer for other calls is what the authorizer itself would say to them (DESIGN 5).

mod by_hand;
mod gateway;
mod world;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};
use shared::endpoints::Keyring;
use shared::endpoints::authorizer::{Endpoint, ResponseFormat};

use crate::support::{Server, encoded, shown};
use gateway::{ACCOUNT, Cache, SHAPES, Shape, arn, ask, event, outcome};
use world::{Dice, GATEWAY, Holder, METHODS, Outcome, Path, World};

/// How many worlds are made, and how many sequences of requests are replayed in all.
const WORLDS: usize = 12;
const SEQUENCES: usize = 100_000;

/// A random world as the admin API made it, and every answer of the real authorizer to every call that is replayed in it.
struct Scene {
    world: World,
    holders: Vec<Holder>,
    calls: Vec<(&'static str, Path)>,
    /// Each answer that was given, once.
    answers: Vec<Value>,
    /// By shape, holder and call: which answer; `None`: `Unauthorized`.
    said: Vec<Vec<Vec<Option<usize>>>>,
    /// By shape and holder: whether its policies list all of its rights.
    lists_all: Vec<Vec<bool>>,
    /// By shape and holder: the calls that pass.
    passing: Vec<Vec<Vec<usize>>>,
    /// What an answer means for a call.
    means: HashMap<(usize, usize), Outcome>,
}

/// An authorizer of its own on the server's table.
pub fn authorizer(server: &Server, response: ResponseFormat) -> Endpoint {
    let store = server.node().store.clone();
    let keyring = Keyring::new(store.clone(), None, server.node().config().issuer.clone());
    Endpoint::new(store, Arc::new(keyring), response, 5)
}

impl Scene {
    async fn random(dice: &mut Dice) -> Self {
        let server = Server::start().await;
        let mut world = World::random(dice);
        let authorization = format!("Bearer {}", server.admin_token().await);
        let post = async |path: &str, body: Value| {
            let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
            server.send("POST", &format!("/admin/v1{path}"), &headers, body.to_string()).await
        };
        for api in &world.apis {
            assert_eq!(post("/apis", api.json()).await.status(), 201);
        }
        server.roles(&world::ROLES).await;
        let mut made = Vec::new();
        for privilege in &world.privileges {
            let response = post("/privileges?make_public=true", privilege.json(&world)).await;
            // Two routes may tie: then the second privilege is not made.
            assert!([201, 409].contains(&response.status().as_u16()), "{}", shown(&response));
            made.push(response.status() == 201);
        }
        let mut made = made.into_iter();
        world.privileges.retain(|_| made.next().unwrap());
        let mut holders = vec![("Bearer garbage".to_owned(), None)];
        for (at, client) in world.clients.iter().enumerate() {
            let full = |(api, scopes): &(usize, Vec<&'static str>)| -> Vec<String> {
                scopes.iter().map(|scope| format!("{}{scope}", world.apis[*api].audience())).collect()
            };
            let scopes: Vec<String> = client.tokens.iter().flat_map(full).collect();
            let secret = server.client(&format!("c{at}"), json!({"roles": client.roles, "scopes": scopes})).await;
            for token in &client.tokens {
                let bearer = server.token(&secret, &format!("scope={}", encoded(&full(token).join(" ")))).await;
                holders.push((format!("Bearer {bearer}"), Some((token.0, token.1.clone(), client.roles.clone()))));
            }
            let revoked = server.token(&secret, &format!("scope={}", encoded(&scopes[0]))).await;
            assert_eq!(server.post("/oauth2/revoke", &secret, &format!("token={revoked}")).await.status(), 200);
            if at == 0 {
                holders.push((format!("Bearer {revoked}"), None));
            }
        }
        let mut calls = Vec::new();
        for _ in 0..24 {
            let path = world.path(dice);
            let odd = *dice.pick(&METHODS);
            calls.extend(["GET", "POST", odd].map(|method| (method, path.clone())));
        }
        let (answers, said, lists_all, passing) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut scene = Self { world, holders: Vec::new(), calls, answers, said, lists_all, passing, means: HashMap::new() };
        scene.ask_everything(&server, &holders).await;
        scene.holders = holders.into_iter().map(|(_, holder)| holder).collect();
        for shape in 0..SHAPES.len() {
            let holders = 0..scene.holders.len();
            let lists_all = holders.clone().map(|holder| scene.lists_all(shape, holder)).collect();
            scene.lists_all.push(lists_all);
            let mut passing = |holder| (0..scene.calls.len()).filter(|call| scene.uncached(shape, holder, *call) == Outcome::Pass).collect();
            let passing = holders.map(&mut passing).collect();
            scene.passing.push(passing);
        }
        scene
    }

    async fn ask_everything(&mut self, server: &Server, holders: &[(String, Holder)]) {
        let mut known: HashMap<String, usize> = HashMap::new();
        let (policy, simple) = (authorizer(server, ResponseFormat::Policy), authorizer(server, ResponseFormat::Simple));
        for shape in SHAPES {
            let endpoint = if shape == Shape::HttpSimple { &simple } else { &policy };
            let mut of_shape = Vec::new();
            for (authorization, _) in holders {
                let mut of_holder = Vec::new();
                for (method, path) in &self.calls {
                    let said = ask(server, endpoint, event(shape, GATEWAY, authorization, method, &path.sent, true)).await;
                    of_holder.push(said.map(|answer| {
                        let next = self.answers.len();
                        let place = *known.entry(answer.to_string()).or_insert(next);
                        if place == next {
                            self.answers.push(answer);
                        }
                        place
                    }));
                }
                of_shape.push(of_holder);
            }
            self.said.push(of_shape);
        }
        // AU-15: with the route among the identity sources there was nothing to warn of.
        assert!(simple.memory.warns_once());
    }

    /// What comes of a call if this answer is applied to it.
    fn outcome(&mut self, answer: Option<usize>, call: usize) -> Outcome {
        let Some(answer) = answer else { return Outcome::Unauthorized };
        let (method, path) = &self.calls[call];
        let (answers, arn) = (&self.answers, || arn(GATEWAY, method, &path.sent));
        *self.means.entry((answer, call)).or_insert_with(|| outcome(&Some(answers[answer].clone()), &arn()))
    }

    /// What comes of a call whose answer is not a cached one.
    fn uncached(&mut self, shape: usize, holder: usize, call: usize) -> Outcome {
        self.outcome(self.said[shape][holder][call], call)
    }

    /// Whether a holder's policies list all of its rights, of which none is the simplest case.
    fn lists_all(&mut self, shape: usize, holder: usize) -> bool {
        let lists = |answer: &Value| {
            let statements = answer["policyDocument"]["Statement"].as_array();
            statements.into_iter().flatten().any(|statement| statement["Effect"] == "Allow" && statement["Resource"].is_array())
        };
        self.said[shape][holder].iter().flatten().any(|answer| lists(&self.answers[*answer]))
            || (0..self.calls.len()).all(|call| self.uncached(shape, holder, call) != Outcome::Pass)
    }
}

/// AU-13, AU-14: whatever a policy names lies on the stage, in the lengths that the gateway takes; what it allows has no wildcard but a
/// last segment, below a named method.
fn assert_within_limits(answer: &Value) {
    let text = answer.to_string();
    assert!(text.len() <= 8_192, "{text}");
    for statement in answer["policyDocument"]["Statement"].as_array().into_iter().flatten() {
        let resources = statement["Resource"].as_array().cloned().unwrap_or_else(|| vec![statement["Resource"].clone()]);
        for resource in resources {
            let resource = resource.as_str().unwrap();
            let rest = resource.strip_prefix(&format!("{ACCOUNT}:{GATEWAY}/")).unwrap_or_else(|| panic!("{resource}"));
            assert!(resource.len() <= 512, "{resource}");
            if statement["Effect"] == "Allow" {
                let (method, path) = rest.split_once('/').map_or((rest, ""), |(method, path)| (method, path));
                let open = path.strip_suffix("/*").or(path.strip_suffix('*').filter(|rest| rest.is_empty())).unwrap_or(path);
                assert!(METHODS.contains(&method) && !open.contains(['*', '?']), "{resource}");
            }
        }
    }
}

#[tokio::test]
async fn a_cached_answer_says_to_every_call_what_the_authorizer_would() {
    // Issue 3 item 4, DESIGN 5 and 7.2, AU-12, AU-13, AU-14, AU-31
    let seed: u64 = std::env::var("GATEWRIGHT_REPLAY_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("GATEWRIGHT_REPLAY_SEED={seed}");
    let mut dice = Dice(seed);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for number in 0..WORLDS {
        let mut scene = Scene::random(&mut dice).await;
        let about = format!("seed {seed}, world {number}: {:#?}", scene.world);
        scene.answers.iter().for_each(assert_within_limits);
        let calls = scene.calls.len();
        for (holder, call) in (0..scene.holders.len() * calls).map(|both| (both / calls, both % calls)) {
            let (method, path) = scene.calls[call].clone();
            let expected = scene.world.outcome(&scene.holders[holder], method, &path);
            for (at, shape) in SHAPES.into_iter().enumerate() {
                let got = scene.uncached(at, holder, call);
                // A simple response has no 401.
                let expected = if shape == Shape::HttpSimple && expected == Outcome::Unauthorized { Outcome::Forbidden } else { expected };
                assert_eq!(got, expected, "{about}\n{shape:?} {:?} {method} {path:?}", scene.holders[holder]);
            }
        }
        for _ in 0..SEQUENCES / WORLDS {
            replay(&mut scene, &mut dice, &mut seen, &about);
        }
    }
    println!("{seen:?}");
    // Whatever the seed, every kind of case is among them.
    for (what, least) in
        [("listed, passed by another's answer", 2_000), ("listed, refused by another's answer", 2_000), ("named, refused", 2_000), ("401", 2_000)]
    {
        assert!(seen.get(what).copied().unwrap_or_default() >= least, "{what}: {seen:?}");
    }
}

/// A random sequence of calls of two holders at a stage that caches.
fn replay(scene: &mut Scene, dice: &mut Dice, seen: &mut BTreeMap<&'static str, usize>, about: &str) {
    let at = dice.below(SHAPES.len());
    let shape = SHAPES[at];
    let with_route = match shape {
        Shape::RestToken => false,
        Shape::HttpSimple => true,
        Shape::RestRequest | Shape::HttpPolicy => dice.one_in(3),
    };
    let mut cache = Cache::new(*dice.pick(&[60, 300, 3_600]));
    let holders = [dice.below(scene.holders.len()), dice.below(scene.holders.len())];
    let mut now = 0;
    let mut trail = Vec::new();
    for _ in 0..2 + dice.below(7) {
        now += dice.pick(&[0, 1, 20, 70]);
        let holder = *dice.pick(&holders);
        let passing = &scene.passing[at][holder];
        let call = if passing.is_empty() || dice.one_in(2) { dice.below(scene.calls.len()) } else { *dice.pick(passing) };
        let key = if with_route { format!("{holder} {call}") } else { holder.to_string() };
        let found = cache.find(&key, now);
        let answer = found.or(scene.said[at][holder][call].map(|answer| (answer, call)));
        if let (None, Some(answer)) = (found, answer) {
            cache.keep(key, now, answer);
        }
        let got = scene.outcome(answer.map(|(answer, _)| answer), call);
        let expected = scene.uncached(at, holder, call);
        let (method, path) = &scene.calls[call];
        trail.push(format!("{now} {holder} {method} {path:?} from {found:?}: {got:?}, uncached {expected:?}"));
        let lists_all = !with_route && scene.lists_all[at][holder];
        let is_right = match (with_route, lists_all) {
            (true, _) => got == expected,
            (false, true) => (got == Outcome::Pass) == (expected == Outcome::Pass),
            (false, false) => got != Outcome::Pass || expected == Outcome::Pass,
        };
        assert!(
            is_right,
            "{about}\n{shape:?} {with_route} {:#?}\n{trail:#?}\n{:#?}",
            scene.holders,
            answer.map(|(answer, _)| &scene.answers[answer])
        );
        let is_anothers = answer.is_some_and(|(_, asked)| asked != call);
        let what = match (with_route, lists_all, is_anothers, got) {
            (_, _, _, Outcome::Unauthorized) => "401",
            (true, ..) | (_, _, false, _) => "own answer",
            (_, true, _, Outcome::Pass) => "listed, passed by another's answer",
            (_, true, ..) => "listed, refused by another's answer",
            (_, false, _, Outcome::Pass) => "named, passed",
            (_, false, ..) => "named, refused",
        };
        *seen.entry(what).or_default() += 1;
    }
}
