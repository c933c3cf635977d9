//! Two nodes on one table: what one changes about people, the other's warm authorizer learns of within `GATEWRIGHT_FEED_SECONDS`.

use serde_json::{Value, json};

use super::changes;
use crate::browser::People;
use crate::support::{Server, json_of, shown};

/// Two nodes, and on the second a warm authorizer that knows a token of alice's.
struct Pair {
    a: Server,
    b: Server,
    people: People,
    token: String,
    code: String,
}

impl Pair {
    async fn start() -> Self {
        let a = Server::start().await;
        a.fixtures().await;
        let people = Box::pin(People::of(&a)).await;
        let (b, code) = (a.another().await, Box::pin(people.code(&a)).await);
        let answer = people.redeem(&a, &code).await;
        assert_eq!(answer.status(), 200, "{}", shown(&answer));
        let token = json_of(&answer)["access_token"].as_str().unwrap().to_owned();
        // Away from the border between two partitions of the feed, and from what it tells of all this.
        a.pass(200);
        a.proxy.lag();
        b.proxy.lag();
        b.warm().await;
        let pair = Self { a, b, people, token, code };
        assert_eq!(pair.seen().await, 200);
        pair
    }

    /// What B's authorizer says.
    async fn seen(&self) -> u16 {
        self.b.get("/orders/1", &self.token).await.status().as_u16()
    }

    /// After a change at A: B may believe what it knows for as long as the contract says, and then knows better.
    async fn learns(&self, before: u16, after: u16) {
        self.a.pass(4);
        assert_eq!(self.seen().await, before);
        self.a.pass(1);
        assert_eq!(self.seen().await, after);
        assert_eq!(self.seen().await, after);
    }

    /// The roles that B passes on.
    async fn roles(&self) -> String {
        json_of(&self.b.get("/orders/1", &self.token).await)["principal"]["roles"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_role_of_a_group_that_is_given_and_taken_reaches_the_other_node() {
    // M-07, O-12, 5.6 row 10
    let pair = Pair::start().await;
    assert_eq!(pair.roles().await, "clerk");
    changes(&pair.a, "PATCH", "/groups/clerks", json!({"roles": ["clerk", "manager"]})).await;
    pair.a.pass(5);
    assert_eq!(pair.roles().await, "clerk manager");
    let privilege = json!({"name": "managers", "api": "orders", "routes": [{"path": "/orders/*"}], "roles": ["manager"]});
    changes(&pair.a, "POST", "/privileges", privilege).await;
    pair.learns(200, 200).await;
    changes(&pair.a, "PATCH", "/groups/clerks", json!({"roles": ["clerk"]})).await;
    pair.learns(200, 403).await;
    changes(&pair.a, "PATCH", &format!("/users/{}", pair.people.alice), json!({"roles": ["manager"]})).await;
    pair.a.pass(5);
    assert_eq!(pair.seen().await, 200);
}

#[tokio::test]
async fn who_joins_and_leaves_a_group_has_its_roles_at_the_other_node_or_not() {
    // M-07, 5.6 row 10
    let pair = Pair::start().await;
    let member = format!("/groups/clerks/members/{}", pair.people.alice);
    changes(&pair.a, "DELETE", &member, Value::Null).await;
    pair.a.pass(5);
    assert_eq!(pair.roles().await, "");
    changes(&pair.a, "PUT", &member, Value::Null).await;
    pair.a.pass(5);
    assert_eq!(pair.roles().await, "clerk");
}

#[tokio::test]
async fn a_user_who_is_deactivated_or_deleted_is_refused_by_the_other_node() {
    // 5.6 row 10
    let pair = Pair::start().await;
    let path = format!("/users/{}", pair.people.alice);
    changes(&pair.a, "PATCH", &path, json!({"active": false})).await;
    pair.learns(200, 401).await;
    changes(&pair.a, "PATCH", &path, json!({"active": true})).await;
    pair.a.pass(5);
    assert_eq!(pair.seen().await, 200);
    changes(&pair.a, "DELETE", &path, Value::Null).await;
    pair.learns(200, 401).await;
}

#[tokio::test]
async fn a_user_who_is_no_longer_assigned_is_refused_by_the_other_node() {
    // I-11
    let pair = Pair::start().await;
    changes(&pair.a, "PUT", "/clients/c_code/assignments/groups/clerks", Value::Null).await;
    changes(&pair.a, "DELETE", &format!("/clients/c_code/assignments/users/{}", pair.people.alice), Value::Null).await;
    pair.learns(200, 200).await;
    changes(&pair.a, "DELETE", "/clients/c_code/assignments/groups/clerks", Value::Null).await;
    pair.learns(200, 401).await;
    changes(&pair.a, "PUT", "/clients/c_code/assignments/groups/clerks", Value::Null).await;
    pair.a.pass(5);
    assert_eq!(pair.seen().await, 200);
    changes(&pair.a, "DELETE", &format!("/groups/clerks/members/{}", pair.people.alice), Value::Null).await;
    pair.learns(200, 401).await;
}

#[tokio::test]
async fn a_new_password_reaches_the_other_node() {
    // LO-10
    let pair = Pair::start().await;
    changes(&pair.a, "PATCH", &format!("/users/{}", pair.people.alice), json!({"password": "another long password"})).await;
    pair.learns(200, 401).await;
}

#[tokio::test]
async fn a_grant_that_a_replay_ended_is_refused_by_the_other_node() {
    // TE-21, 5.6 row 6
    let pair = Pair::start().await;
    assert_eq!(pair.people.redeem(&pair.a, &pair.code).await.status(), 400);
    pair.learns(200, 401).await;
}
