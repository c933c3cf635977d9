//! What a try costs its account and its source, and what is taken back.

use super::sign_in::tried_from;
use super::{started, together};
use crate::browser::{Browser, PASSWORD, People};
use crate::support::Server;

const SOURCE: Option<&str> = Some("192.0.2.1");

/// A browser with a sign-in page: its tries from one address, with a password that is longer than any where it is to be wrong, so that
/// nothing is hashed.
struct Office<'a> {
    nodes: [&'a Server; 2],
    browser: Browser,
    page: shared::endpoints::Response,
}

impl<'a> Office<'a> {
    async fn of(nodes: [&'a Server; 2]) -> Self {
        let browser = Browser::default();
        let page = browser.open(nodes[0], &People::url(&[])).await;
        Self { nodes, browser, page }
    }

    async fn wrong(&self, at: usize) -> u16 {
        let name = format!("u{at}");
        tried_from(self.nodes[at % 2], &self.browser, &self.page, &name, &"x".repeat(1_025), SOURCE, &[]).await.status().as_u16()
    }

    async fn right(&self, at: usize) -> u16 {
        tried_from(self.nodes[at % 2], &self.browser, &self.page, "alice", PASSWORD, SOURCE, &[]).await.status().as_u16()
    }
}

#[tokio::test]
async fn parallel_guesses_for_many_names_are_counted_as_one_source() {
    // LO-01, LO-05, MI-08
    let (server, _) = started().await;
    let other_node = server.another().await;
    let office = Office::of([&server, &other_node]).await;
    let mut statuses = Vec::new();
    for round in 0..4 {
        statuses.extend(together((0..50).map(|at| office.wrong(50 * round + at))).await);
    }
    let looked_at = statuses.iter().filter(|status| **status == 200).count();
    assert!((1..=50).contains(&looked_at) && statuses.iter().all(|status| [200, 429, 503].contains(status)), "{statuses:?}");
}

#[tokio::test]
async fn who_knows_the_password_costs_the_source_nothing() {
    // LO-03: forty-nine failures of others, thirty sign-ins that were right, and the next failure is the fiftieth
    let (server, _) = started().await;
    let office = Office::of([&server, &server]).await;
    for at in 0..49 {
        assert_eq!(office.wrong(at).await, 200, "{at}");
    }
    for at in 0..30 {
        assert_eq!(office.right(at).await, 303, "{at}");
    }
    assert_eq!((office.wrong(0).await, office.wrong(1).await), (200, 429));
    server.pass(1);
    assert_eq!(office.right(0).await, 303);
    // A sign-in that was right is no failure: an hour after the last of those, all is forgotten.
    server.pass(3_500);
    let office = Office::of([&server, &server]).await;
    assert_eq!(office.right(0).await, 303);
    server.pass(100);
    assert_eq!((office.wrong(0).await, office.wrong(1).await), (200, 200));
}

#[tokio::test]
async fn a_browser_that_signs_in_in_eight_windows_at_once_is_let_in_by_all() {
    // LO-01: a try counts until it has succeeded, and eight under way are fewer than ten
    let (server, _) = started().await;
    let other_node = server.another().await;
    let office = Office::of([&server, &other_node]).await;
    assert_eq!(together((0..8).map(|at| office.right(at))).await, [303; 8]);
    assert_eq!(together((0..8).map(|at| office.right(at))).await, [303; 8], "nothing was left of the first eight");
}
