//! Black-box tests. Names and comments carry the row ids of the specification that a test holds.

mod authorizer;
mod authorizer_events;
mod client_auth;
mod feed;
mod forge;
mod forged;
mod http;
mod introspect;
mod metadata;
mod nodes;
mod proxy;
mod revoke;
mod support;
mod token;
