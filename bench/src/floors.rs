//! The floors, with events as large as those of our functions.

use crate::function::Subject;
use crate::{store, subject};

pub fn subjects(endpoint: &str) -> Vec<Subject> {
    let token = subject::token_event("00000000-0000-4000-8000-000000000000", &"x".repeat(43), subject::ORDERS);
    let authorizer = subject::authorizer_event("/orders/1", &"x".repeat(800));
    let floor = |name, event: &bytes::Bytes| {
        let event = event.clone();
        Subject { name, file: name, env: store::env(endpoint), event: Box::new(move |_| event.clone()), expect: r#""statusCode":200"# }
    };
    vec![floor("empty", &authorizer), floor("sdk_get", &authorizer), floor("sdk_get_put", &token)]
}
