//! Random Apis, privileges, principals and paths; and what must come of a call on them, by a reading of the rules that shares nothing
//! with the code: lists are searched, nothing is compiled.

use serde_json::{Value, json};

pub const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
pub const GATEWAY: &str = "abc/prod";
const SCOPES: [&str; 3] = ["read", "write", "admin"];
pub const ROLES: [&str; 3] = ["clerk", "boss", "robot"];

/// A sequence of numbers that is a function of its seed (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }

    pub fn one_in(&mut self, odds: usize) -> bool {
        self.below(odds) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Each of them with even odds.
    fn some(&mut self, from: &[&'static str]) -> Vec<&'static str> {
        from.iter().copied().filter(|_| self.one_in(2)).collect()
    }
}

#[derive(Debug)]
pub struct Api {
    pub name: String,
    base: Vec<&'static str>,
    gateway: Option<&'static str>,
    access: &'static str,
}

#[derive(Debug, Clone)]
struct Route {
    /// Empty: any.
    methods: Vec<&'static str>,
    /// Segments; `{…}` is a parameter.
    segments: Vec<&'static str>,
    with_rest: bool,
}

#[derive(Debug)]
pub struct Privilege {
    pub name: String,
    api: usize,
    /// `None`: the whole Api.
    routes: Option<Vec<Route>>,
    roles: Vec<&'static str>,
    scopes: Vec<&'static str>,
    asks_for_all: bool,
    for_clients: bool,
    is_public: bool,
}

#[derive(Debug)]
pub struct Client {
    pub roles: Vec<&'static str>,
    /// One token each: the Api, and the values of its scopes.
    pub tokens: Vec<(usize, Vec<&'static str>)>,
}

/// A path as it is sent, and the segments that it means; `None` where it must not be believed to mean any.
#[derive(Debug, Clone)]
pub struct Path {
    pub sent: String,
    means: Option<Vec<String>>,
}

/// Who holds a token: the Api, the scopes, the client's roles; `None` where the token is bad.
pub type Holder = Option<(usize, Vec<&'static str>, Vec<&'static str>)>;

/// What comes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Pass,
    Forbidden,
    Unauthorized,
}

#[derive(Debug)]
pub struct World {
    pub apis: Vec<Api>,
    pub privileges: Vec<Privilege>,
    pub clients: Vec<Client>,
}

impl Api {
    pub fn audience(&self) -> String {
        format!("https://{}.example/", self.name)
    }

    pub fn json(&self) -> Value {
        let scopes: Vec<Value> = SCOPES.iter().map(|value| json!({"value": value})).collect();
        let base = format!("/{}", self.base.join("/"));
        json!({"name": self.name, "audience": self.audience(), "base_path": base, "gateway": self.gateway, "access": self.access, "scopes": scopes})
    }
}

impl Route {
    fn random(dice: &mut Dice, base: &[&'static str]) -> Self {
        let mut segments = base.to_vec();
        for _ in 0..dice.below(4) {
            segments.push(*dice.pick(&["a", "b", "c", "items", "a", "{id}", "x:y"]));
        }
        let methods = if dice.one_in(2) { Vec::new() } else { dice.some(&["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) };
        Self { methods, segments, with_rest: dice.one_in(2) }
    }

    fn json(&self) -> Value {
        let path = format!("/{}", self.segments.join("/"));
        let path = if self.with_rest { format!("{}/*", path.trim_end_matches('/')) } else { path };
        if self.methods.is_empty() { json!({"path": path}) } else { json!({"path": path, "methods": self.methods}) }
    }

    fn is_on(&self, method: &str, path: &[String]) -> bool {
        let method = if method == "HEAD" { "GET" } else { method };
        let fits = |(own, sent): (&&str, &String)| own.starts_with('{') || own == sent;
        (self.methods.is_empty() || self.methods.contains(&method))
            && (path.len() == self.segments.len() || (self.with_rest && path.len() > self.segments.len()))
            && self.segments.iter().zip(path).all(fits)
    }

    /// More literals, then no rest, then more segments, then a named method.
    fn rank(&self) -> (usize, bool, usize, bool) {
        let literals = self.segments.iter().filter(|segment| !segment.starts_with('{')).count();
        (literals, !self.with_rest, self.segments.len(), !self.methods.is_empty())
    }
}

impl Privilege {
    pub fn json(&self, world: &World) -> Value {
        let subjects = if self.for_clients { json!(["client", "user"]) } else { json!(["user"]) };
        let mut json = json!({"name": self.name, "api": world.apis[self.api].name, "roles": self.roles, "scopes": self.scopes, "subjects": subjects,
            "scopes_match": if self.asks_for_all { "all" } else { "any" }, "access": if self.is_public { "public" } else { "protected" }});
        if let Some(routes) = &self.routes {
            json["routes"] = routes.iter().map(Route::json).collect();
        }
        json
    }

    fn admits(&self, scopes: &[&str], roles: &[&str]) -> bool {
        let has_scopes = if self.asks_for_all {
            self.scopes.iter().all(|scope| scopes.contains(scope))
        } else {
            self.scopes.is_empty() || self.scopes.iter().any(|scope| scopes.contains(scope))
        };
        let has_role = self.roles.is_empty() || self.roles.iter().any(|role| roles.contains(role));
        self.is_public || (self.for_clients && has_scopes && has_role)
    }
}

impl World {
    pub fn random(dice: &mut Dice) -> Self {
        let bases: [&[&str]; 5] = [&[], &["a"], &["a", "b"], &["b"], &["a", "b", "c"]];
        let mut apis = Vec::new();
        for (at, base) in bases.into_iter().enumerate() {
            // Some bases carry an Api of this stage and one of any stage, or one of another stage.
            for gateway in [None, Some(GATEWAY), Some("abc/test")] {
                if dice.one_in(if gateway.is_none() { 3 } else { 8 }) {
                    let access = dice.pick(&["deny", "authenticated", "public"]);
                    apis.push(Api {
                        name: format!("api{at}{}", gateway.map_or("", |gateway| &gateway[3..]).replace('/', "-")),
                        base: base.to_vec(),
                        gateway,
                        access,
                    });
                }
            }
        }
        if apis.is_empty() {
            apis.push(Api { name: "only".to_owned(), base: vec!["a"], gateway: None, access: "deny" });
        }
        // Many privileges make most rights inexpressible; both kinds are wanted.
        let most = *dice.pick(&[1, 3, 5, 9]);
        let privileges = (0..dice.below(most)).map(|at| privilege(dice, at, &apis)).collect();
        let clients = (0..3).map(|_| client(dice, &apis)).collect();
        Self { apis, privileges, clients }
    }

    /// What must come of a call.
    pub fn outcome(&self, holder: &Holder, method: &str, path: &Path) -> Outcome {
        let Some((audience, scopes, roles)) = holder else { return Outcome::Unauthorized };
        let Some(path) = &path.means else { return Outcome::Forbidden };
        let is_there = |api: &Api| {
            api.gateway.is_none_or(|own| own == GATEWAY) && path.len() >= api.base.len() && api.base.iter().zip(path).all(|(a, b)| a == b)
        };
        let there = (0..self.apis.len()).filter(|at| is_there(&self.apis[*at]));
        let Some(api) = there.max_by_key(|at| (self.apis[*at].base.len(), self.apis[*at].gateway.is_some())) else { return Outcome::Forbidden };
        if api != *audience {
            return Outcome::Unauthorized;
        }
        let mut best: Option<(_, &Privilege)> = None;
        for privilege in self.privileges.iter().filter(|privilege| privilege.api == api) {
            let whole = || vec![Route { methods: Vec::new(), segments: self.apis[api].base.clone(), with_rest: true }];
            for route in privilege.routes.clone().unwrap_or_else(whole).iter().filter(|route| route.is_on(method, path)) {
                if best.as_ref().is_none_or(|(rank, _)| *rank < route.rank()) {
                    best = Some((route.rank(), privilege));
                }
            }
        }
        let may = best.map_or(self.apis[api].access != "deny", |(_, privilege)| privilege.admits(scopes, roles));
        if may { Outcome::Pass } else { Outcome::Forbidden }
    }

    /// A path near what the privileges name: good ones, and what others would like to be taken for them.
    pub fn path(&self, dice: &mut Dice) -> Path {
        let mut segments: Vec<String> = Vec::new();
        let routes: Vec<&Route> = self.privileges.iter().flat_map(|privilege| privilege.routes.iter().flatten()).collect();
        let mut deeper = dice.below(3);
        if !routes.is_empty() && dice.below(3) > 0 {
            let route = dice.pick(&routes);
            let other = *dice.pick(&["7", "a", "items"]);
            segments.extend(route.segments.iter().map(|own| if own.starts_with('{') { other } else { own }.to_owned()));
            deeper = if route.with_rest { dice.below(3) } else { usize::from(dice.one_in(4)) };
        } else {
            segments.extend(dice.pick(&self.apis).base.iter().map(|own| (*own).to_owned()));
        }
        for _ in 0..deeper {
            let odd = ["...", ".well-known", "..d", "a%20b", "%C3%A9", "%2A", "A~_-9", "x,y=z", "%7Bid%7D"];
            let usual = ["a", "b", "c", "d", "items", "x:y"];
            segments.push((*if dice.one_in(6) { dice.pick(&odd) } else { dice.pick(&usual) }).to_owned());
        }
        if dice.one_in(8) {
            let at = dice.below(segments.len() + 1);
            segments.get_mut(at).into_iter().for_each(|segment| *segment = segment.to_uppercase());
        }
        let plain = format!("/{}", segments.join("/"));
        let parts = segments.len();
        let place = dice.below(parts + 1);
        let with = |segment: &str| {
            let mut all = segments.clone();
            all.insert(place, segment.to_owned());
            Path { sent: format!("/{}", all.join("/")), means: None }
        };
        match dice.below(12) {
            0 | 1 if parts > 0 => Path { sent: format!("{plain}/"), means: Some(segments) },
            2 => Path { sent: plain.replace(':', "%3A"), means: Some(segments) },
            3 => with(dice.pick::<&str>(&[
                ".", "..", "x;y=z", "a%3bb", "..;v", ".;", "..%3b", "%2e%2e", "%2E", "..%20", "%2f", "a%5Cb", "%252e", "%0a", "%00", "%7F", "%c0%af",
                "%C1%9c",
            ])),
            4 if parts > 0 => {
                let slashes: Vec<usize> = plain.match_indices('/').map(|(at, _)| at).collect();
                let at = *dice.pick(&slashes);
                let instead = dice.pick(&["//", "%2F", "%2f", "\\", "%5c"]);
                let start = if at == 0 { "/" } else { &plain[..at] };
                Path { sent: format!("{start}{instead}{}", &plain[at + 1..]), means: None }
            }
            5 => Path { sent: format!("/d/..{plain}"), means: None },
            6 if parts > 0 => Path { sent: format!("{plain}{}", dice.pick(&["//", "/.", "/..", "/./", "%2F", "/..;/"])), means: None },
            _ => Path { sent: plain, means: Some(segments) },
        }
    }
}

fn privilege(dice: &mut Dice, at: usize, apis: &[Api]) -> Privilege {
    let api = dice.below(apis.len());
    let routes = (!dice.one_in(5)).then(|| (0..=dice.below(3)).map(|_| Route::random(dice, &apis[api].base)).collect());
    let is_public = dice.one_in(6);
    let asks = |dice: &mut Dice, of: &[&'static str]| if is_public || dice.one_in(2) { Vec::new() } else { dice.some(of) };
    Privilege {
        name: format!("p{at}"),
        api,
        routes,
        roles: asks(dice, &ROLES),
        scopes: asks(dice, &SCOPES),
        asks_for_all: dice.one_in(2),
        for_clients: !dice.one_in(8),
        is_public,
    }
}

fn client(dice: &mut Dice, apis: &[Api]) -> Client {
    let mut tokens: Vec<(usize, Vec<&'static str>)> = Vec::new();
    for _ in 0..3 {
        let api = dice.below(apis.len());
        let mut scopes = dice.some(&SCOPES);
        if scopes.is_empty() {
            scopes.push("read");
        }
        if tokens.iter().all(|(other, _)| *other != api) {
            tokens.push((api, scopes));
        }
    }
    Client { roles: dice.some(&ROLES), tokens }
}
