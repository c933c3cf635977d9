//! The key grammar. A key is made from a typed value, so that a value of one kind can never be found as another (CVE-2026-4282).

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::oauth::grant::GrantId;
use crate::oauth::ids::ClientId;
use crate::oauth::time::Timestamp;
use crate::oauth::user::UserId;

/// The primary key of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// A client.
    Client(&'a ClientId),
    /// That a client's name is taken.
    ClientName(&'a str),
    /// Which clients list an origin.
    Origin(&'a str),
    /// What remains of a deleted client while its tokens could still live.
    ClientTombstone(&'a ClientId),
    /// All Apis.
    Apis,
    /// A role.
    Role(&'a str),
    /// A privilege, among those of its Api.
    Privilege {
        /// The Api's name.
        api: &'a str,
        /// The privilege's name.
        name: &'a str,
    },
    /// That a privilege's name is taken, and by which Api.
    PrivilegeName(&'a str),
    /// A user.
    User(&'a UserId),
    /// That a username of a realm is taken, and by whom.
    Username {
        /// The realm.
        realm: &'a str,
        /// In its canonical spelling.
        canonical: &'a str,
    },
    /// A group.
    Group(&'a str),
    /// That a user may use a client.
    AssignedUser {
        /// The client.
        client: &'a ClientId,
        /// When the client was made: one made again by the same id begins without assignments.
        since: Timestamp,
        /// The user.
        user_id: &'a UserId,
    },
    /// That the members of a group may use a client.
    AssignedGroup {
        /// The client.
        client: &'a ClientId,
        /// When the client was made.
        since: Timestamp,
        /// The group.
        group: &'a str,
    },
    /// A grant.
    Grant(&'a GrantId),
    /// What a user has allowed a client before.
    Consent {
        /// The user.
        user_id: &'a UserId,
        /// The client.
        client: &'a ClientId,
    },
    /// A browser's session, by the digest of its cookie.
    Session(&'a str),
    /// Failed sign-ins of one account or one source.
    Attempts(&'a str),
    /// The public halves and the dates of all signing keys.
    Keys,
    /// The sealed private half of one signing key.
    SealedKey(&'a str),
    /// The record of an access token, by `jti`.
    Token(&'a str),
    /// That an access token speaks for a user, for the list of theirs.
    TokenOfUser(&'a str),
    /// An entry of the change feed.
    Feed {
        /// When it was written.
        at: Timestamp,
        /// Tells entries of one second apart.
        id: &'a str,
    },
    /// An entry of the audit trail.
    Audit {
        /// When it was written.
        at: Timestamp,
        /// Tells entries of one second apart.
        id: &'a str,
    },
    /// The same entry among those about one user.
    UserAudit {
        /// Whom it is about.
        user_id: &'a UserId,
        /// When it was written.
        at: Timestamp,
        /// Tells entries of one second apart.
        id: &'a str,
    },
    /// A client's counts of one UTC day.
    Usage {
        /// Whose.
        client_id: &'a ClientId,
        /// `2026-11-20`.
        day: &'a str,
    },
    /// The whole server's counts of one UTC day.
    Stats {
        /// `2026-11-20`.
        day: &'a str,
    },
    /// That the first admin client was made.
    Bootstrap,
}

/// How many seconds one partition of the change feed covers.
pub(crate) const FEED_BUCKET: u64 = 600;

impl Key<'_> {
    /// The partition key.
    pub fn partition(&self) -> String {
        match self {
            Self::Client(id) => format!("client#{id}"),
            Self::ClientName(name) => format!("client-name#{name}"),
            Self::Origin(origin) => format!("origin#{origin}"),
            Self::ClientTombstone(id) => format!("deleted-client#{id}"),
            Self::Apis => "apis".to_owned(),
            Self::Role(name) => format!("role#{name}"),
            Self::Privilege { api, .. } => format!("privileges#{api}"),
            Self::PrivilegeName(name) => format!("privilege-name#{name}"),
            Self::User(user_id) => format!("user#{}", user_id.as_str()),
            Self::Username { realm, canonical } => format!("username#{realm}#{canonical}"),
            Self::Group(name) => format!("group#{name}"),
            Self::AssignedUser { client, since, .. } | Self::AssignedGroup { client, since, .. } => assignments_partition(client, *since),
            Self::Grant(id) => format!("grant#{}", id.as_str()),
            Self::Consent { user_id, .. } => format!("consent#{}", user_id.as_str()),
            Self::Session(digest) => format!("session#{digest}"),
            Self::Attempts(whose) => format!("attempts#{whose}"),
            Self::Keys => "keys".to_owned(),
            Self::SealedKey(kid) => format!("key#{kid}"),
            Self::Token(jti) => format!("token#{jti}"),
            Self::TokenOfUser(jti) => format!("user-token#{jti}"),
            Self::Feed { at, .. } => feed_partition(at.unix() / FEED_BUCKET),
            Self::Audit { at, .. } => format!("audit#{}", at.day()),
            Self::UserAudit { user_id, .. } => format!("user-audit#{}", user_id.as_str()),
            Self::Usage { client_id, .. } => format!("usage#{client_id}"),
            Self::Stats { .. } => "stats".to_owned(),
            Self::Bootstrap => "bootstrap".to_owned(),
        }
    }

    /// The sort key: the kind of the item where a partition holds one, its place where it holds many.
    pub fn sort(&self) -> String {
        match self {
            Self::Client(_) => "client".to_owned(),
            Self::ClientName(_) => "client-name".to_owned(),
            Self::Origin(_) => "origin".to_owned(),
            Self::ClientTombstone(_) => "deleted-client".to_owned(),
            Self::Apis => "apis".to_owned(),
            Self::Role(_) => "role".to_owned(),
            Self::Privilege { name, .. } => (*name).to_owned(),
            Self::PrivilegeName(_) => "privilege-name".to_owned(),
            Self::User(_) => "user".to_owned(),
            Self::Username { .. } => "username".to_owned(),
            Self::Group(_) => "group".to_owned(),
            Self::AssignedUser { user_id, .. } => format!("user#{}", user_id.as_str()),
            Self::AssignedGroup { group, .. } => format!("group#{group}"),
            Self::Grant(_) => "grant".to_owned(),
            Self::Consent { client, .. } => client.to_string(),
            Self::Session(_) => "session".to_owned(),
            Self::Attempts(_) => "attempts".to_owned(),
            Self::Keys => "keys".to_owned(),
            Self::SealedKey(_) => "key".to_owned(),
            Self::Token(_) => "token".to_owned(),
            Self::TokenOfUser(_) => "user-token".to_owned(),
            Self::Feed { at, id } | Self::Audit { at, id } | Self::UserAudit { at, id, .. } => moment(*at, id),
            Self::Usage { day, .. } | Self::Stats { day } => (*day).to_owned(),
            Self::Bootstrap => "bootstrap".to_owned(),
        }
    }

    pub(crate) fn attributes(&self) -> HashMap<String, AttributeValue> {
        HashMap::from([("pk".to_owned(), AttributeValue::S(self.partition())), ("sk".to_owned(), AttributeValue::S(self.sort()))])
    }
}

/// The partition of a client's assignments.
pub(crate) fn assignments_partition(client: &ClientId, since: Timestamp) -> String {
    format!("assignments#{client}#{}", since.unix())
}

/// The partition of the change feed with the number `bucket`.
pub(crate) fn feed_partition(bucket: u64) -> String {
    format!("feed#{bucket}")
}

/// Comes after every sort key and every `id` of a [`moment`]: they are printable ASCII, and a client's identifier may begin with `~`.
pub(crate) const LAST: &str = "\u{7f}";

/// A sort key that orders by time.
pub(crate) fn moment(at: Timestamp, id: &str) -> String {
    format!("{:012}#{id}", at.unix())
}

/// The list that every client stands in.
pub(crate) const CLIENTS_LIST: &str = "clients";

/// The list that every role stands in.
pub(crate) const ROLES_LIST: &str = "roles";

/// The list that every privilege stands in, by its name.
pub(crate) const PRIVILEGES_LIST: &str = "privileges";

/// The list that every user stands in, by id.
pub(crate) const USERS_LIST: &str = "users";

/// The list that every group stands in.
pub(crate) const GROUPS_LIST: &str = "groups";

/// The list that a client's audit entries stand in.
pub(crate) fn audit_list(client_id: &ClientId) -> String {
    format!("audit#client#{client_id}")
}

/// How many lists a client's token records are spread over, so that a busy client heats no partition of the index.
pub(crate) const TOKEN_LISTS: u8 = 8;

/// The list that a token record stands in: its client's, or its user's, whose identifiers are no client's.
pub(crate) fn token_list(owner: &str, list: u8) -> String {
    format!("tokens#{owner}#{list}")
}

/// Which of its client's lists a token record stands in.
pub(crate) fn token_list_of(jti: &str) -> u8 {
    jti.bytes().fold(0_u8, u8::wrapping_add) % TOKEN_LISTS
}
