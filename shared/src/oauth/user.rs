//! People: users in realms, groups that carry roles, and who may use which client.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;

use super::client::Client;
use super::fresh::Fresh;
use super::ids::Name;
use super::invalid::{Invalid, repeated};
use super::password::StoredPassword;
use super::time::Timestamp;

/// A user's identifier and the `sub` of their tokens: `u-` and 24 hexadecimal digits. It never changes and is never used again; no client's
/// identifier has this form (I-21).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(String);

impl UserId {
    /// A new identifier.
    pub fn generate(fresh: &Fresh) -> Self {
        Self(format!("u-{}", fresh.hex_id("user_id")))
    }

    /// Reads an identifier; `None` where it does not have the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("u-")?;
        let is_one = digits.len() == 24 && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        is_one.then(|| Self(text.to_owned()))
    }

    /// The identifier as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UserId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a user id is u- and 24 hexadecimal digits")
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> Self {
        id.0
    }
}

/// The one spelling by which a username is unique, looked up and counted: Unicode NFKC, lower case (LO-02). `None` where it is no username:
/// empty, longer than 128 characters, with control characters or surrounding spaces.
pub fn canonical_username(username: &str) -> Option<String> {
    let canonical = username.nfkc().collect::<String>().to_lowercase();
    let is_one = !canonical.is_empty()
        && username.chars().count() <= 128
        && canonical.len() <= 512
        && canonical.trim() == canonical
        && !canonical.chars().any(char::is_control);
    is_one.then_some(canonical)
}

/// A user as the table holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Who.
    pub user_id: UserId,
    /// What the administrator said.
    pub metadata: UserMetadata,
    /// The digest of the password; `None`: they cannot sign in by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<StoredPassword>,
    /// What stands on an earlier one is dead: sessions, grants, tokens. Moved by a new password.
    pub valid_from: Timestamp,
    /// When they were made.
    pub created_at: Timestamp,
    /// When they were last changed.
    pub updated_at: Timestamp,
    /// Rises with every change.
    pub version: u64,
}

/// What an administrator says of a user; the defaults are the contract's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserMetadata {
    /// The namespace of the username.
    #[serde(default = "default_realm")]
    pub realm: Name,
    /// What the user types; unique in the realm whatever the case.
    pub username: String,
    /// Roles of their own.
    #[serde(default)]
    pub roles: Vec<Name>,
    /// Groups that they are members of.
    #[serde(default)]
    pub groups: Vec<Name>,
    /// Whether they may do anything at all.
    #[serde(default = "yes")]
    pub active: bool,
    /// What else their access tokens say; never a claim that the server itself makes.
    #[serde(default)]
    pub claims: Map<String, Value>,
}

fn default_realm() -> Name {
    Name::constant("default")
}

fn yes() -> bool {
    true
}

/// Claims that the server makes, or that mean something to those who verify tokens (RFC 7519 §4.1, RFC 9068 §2.2, RFC 7662 §2.2): nobody
/// can set them (TE-32).
const RESERVED_CLAIMS: [&str; 24] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "scope",
    "roles",
    "groups",
    "entitlements",
    "sub_type",
    "grant_id",
    "cnf",
    "act",
    "may_act",
    "auth_time",
    "acr",
    "amr",
    "active",
    "username",
    "token_type",
    "sid",
];

/// The most roles of their own, and the most groups, that a user has: less than `MOST_ROLES`, because one change may touch both lists.
const MOST_OF_A_USER: usize = 20;

impl UserMetadata {
    /// Finds what is wrong; whether roles and groups exist is for the table to say.
    ///
    /// # Errors
    /// Every fault, each with a JSON pointer to its field.
    pub fn checked(self) -> Result<Self, Vec<Invalid>> {
        let mut faults = Vec::new();
        if canonical_username(&self.username).is_none() {
            faults.push(Invalid::new("/username", "must be 1 to 128 characters without control characters and surrounding spaces"));
        }
        for (pointer, list) in [("/roles", &self.roles), ("/groups", &self.groups)] {
            if list.len() > MOST_OF_A_USER || repeated(list) {
                faults.push(Invalid::new(pointer, format!("must be at most {MOST_OF_A_USER}, each once")));
            }
        }
        let is_plain = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
        for (name, value) in &self.claims {
            let is_name = name.len() <= 100 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte));
            if !is_name || name.is_empty() || RESERVED_CLAIMS.contains(&name.as_str()) {
                faults.push(Invalid::new("/claims", format!("the claim {name:?} is the server's own, or no claim name")));
            }
            if !is_plain(value) && !value.as_array().is_some_and(|list| list.iter().all(is_plain)) {
                faults.push(Invalid::new("/claims", format!("the claim {name:?} must be a string, a number, a boolean or a list of those")));
            }
        }
        if serde_json::to_string(&self.claims).map_or(0, |json| json.len()) > 2_000 {
            faults.push(Invalid::new("/claims", "must be at most 2,000 bytes of JSON"));
        }
        if faults.is_empty() { Ok(self) } else { Err(faults) }
    }
}

/// A group as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// What the administrator said.
    pub metadata: GroupMetadata,
    /// When it was made. A group made again by the name of a deleted one is another group.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Rises with every change.
    pub version: u64,
}

/// What an administrator says of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMetadata {
    /// The name; unique.
    pub name: Name,
    /// The realm of its members.
    #[serde(default = "default_realm")]
    pub realm: Name,
    /// What its members have.
    #[serde(default)]
    pub roles: Vec<Name>,
}

/// A user as a client and a route see them: read at the decision, or remembered and corrected by the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The user.
    pub user: User,
    /// Their own roles and those of their groups.
    pub roles: Vec<Name>,
    /// Whether they are assigned to the client, themselves or by a group.
    pub is_assigned: bool,
    /// What was granted under another epoch is dead.
    pub epoch: Epoch,
}

/// What a grant stands on: the user's password, and that they have not withdrawn what they allowed the client. A grant keeps the epoch that it
/// was made in, and it is compared whole: no clock decides whether something was granted before a change or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// The user's `valid_from`.
    pub password: Timestamp,
    /// When the user last withdrew what they had allowed the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Timestamp>,
}

impl Epoch {
    /// The epoch of a user who has withdrawn nothing.
    pub fn of(user: &User) -> Self {
        Self { password: user.valid_from, withdrawn: None }
    }
}

/// How long a sign-in or a change may take, in seconds. A token that comes from no grant is dead where it was issued less than this after a new
/// password or a withdrawal: it may have been asked for before.
const SETTLING: u64 = 5;

/// From when on what comes from no grant is good after a change at `now`, given from when on it was good before: two changes in one second are
/// two.
pub(super) fn settled(before: Timestamp, now: Timestamp) -> Timestamp {
    now.plus(SETTLING).max(before.plus(1))
}

impl User {
    /// The user with another password, or none.
    pub fn with_password(self, password: Option<StoredPassword>, now: Timestamp) -> Self {
        Self { valid_from: settled(self.valid_from, now), password, ..self }
    }
}

impl Person {
    /// A user with the groups that they are in.
    pub fn new(user: User, groups: &[Group], is_assigned: bool) -> Self {
        let mut roles = user.metadata.roles.clone();
        roles.extend(groups.iter().flat_map(|group| group.metadata.roles.iter().cloned()));
        roles.sort_unstable();
        roles.dedup();
        let epoch = Epoch::of(&user);
        Self { user, roles, is_assigned, epoch }
    }

    /// From when on a token that comes from no grant is good.
    pub fn valid_from(&self) -> Timestamp {
        self.epoch.password.max(self.epoch.withdrawn.unwrap_or_default())
    }

    /// Whether they may use the client ("Enforce Grants", I-11).
    pub fn may_use(&self, client: &Client) -> bool {
        self.is_assigned || !client.metadata.enforce_assignments
    }

    /// Whether they are active and of the client's realm.
    pub fn is_of(&self, client: &Client) -> bool {
        self.user.metadata.active && self.user.metadata.realm == client.metadata.realm
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    use super::*;

    /// The user `alice`, changed by `changes`.
    pub(crate) fn user(changes: serde_json::Value) -> User {
        let mut json = serde_json::json!({"username": "alice"});
        json.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        User {
            user_id: UserId::parse("u-0123456789abcdef01234567").unwrap(),
            metadata: serde_json::from_value(json).unwrap(),
            password: None,
            valid_from: Timestamp::default(),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            version: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::fixture::client;
    use super::fixture::user;
    use super::*;

    #[test]
    fn a_username_has_one_spelling() {
        // LO-02, M-07, M-11
        for (one, other) in [("Alice", "alice"), ("ALICE@Example.COM", "alice@example.com"), ("Zoë", "zoe\u{308}"), ("ａlice", "alice")] {
            assert_eq!(canonical_username(one), canonical_username(other), "{one} {other}");
        }
        assert_ne!(canonical_username("alice"), canonical_username("alicе"), "a Cyrillic letter is another");
        for wrong in ["", " alice", "alice ", "a\0b", "a\nb", &"a".repeat(129)] {
            assert_eq!(canonical_username(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn faults_of_a_user_are_named() {
        // TE-32
        let faults =
            |changes| user(changes).metadata.checked().err().unwrap_or_default().into_iter().map(|fault| fault.pointer.into_owned()).collect();
        let none: Vec<String> = faults(serde_json::json!({"claims": {"department": "sales", "levels": [1, 2], "https://x.example/y": true}}));
        assert_eq!(none, [""; 0]);
        for claim in ["iss", "sub", "aud", "exp", "client_id", "scope", "cnf", "act", "roles", "a b", ""] {
            let wrong: Vec<String> = faults(serde_json::json!({"claims": {claim: "x"}}));
            assert_eq!(wrong, ["/claims"], "{claim}");
        }
        let wrong: Vec<String> = faults(serde_json::json!({"username": " ", "roles": ["a", "a"], "claims": {"deep": {"er": 1}}}));
        assert_eq!(wrong, ["/username", "/roles", "/claims"]);
    }

    #[test]
    fn groups_carry_roles_and_assignments_are_enforced_where_the_client_says() {
        // M-07, I-11
        let group = Group {
            metadata: serde_json::from_value(serde_json::json!({"name": "clerks", "roles": ["clerk", "reader"]})).unwrap(),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            version: 1,
        };
        let person = Person::new(user(serde_json::json!({"roles": ["reader", "boss"], "groups": ["clerks"]})), &[group], false);
        assert_eq!(person.roles.iter().map(Name::as_str).collect::<Vec<_>>(), ["boss", "clerk", "reader"]);
        let enforcing = client(serde_json::json!({})).0;
        let open = client(serde_json::json!({"enforce_assignments": false})).0;
        assert!(!person.may_use(&enforcing) && person.may_use(&open));
        assert!(Person { is_assigned: true, ..person.clone() }.may_use(&enforcing));
        assert!(person.is_of(&open) && !person.is_of(&client(serde_json::json!({"realm": "staff"})).0));
    }

    #[test]
    fn a_user_id_is_no_client_id_that_anybody_can_choose() {
        let fresh = Fresh::new(Timestamp::default(), [1; 32]);
        let id = UserId::generate(&fresh);
        assert_eq!(UserId::parse(id.as_str()), Some(id));
        for wrong in ["", "u-", "alice", "u-0123456789ABCDEF01234567", "u-0123456789abcdef0123456", "u-0123456789abcdef012345678"] {
            assert_eq!(UserId::parse(wrong), None, "{wrong}");
        }
    }
}
