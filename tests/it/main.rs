//! Black-box tests. Names and comments carry the row ids of the specification that a test holds.

mod client_auth;
mod http;
mod proxy;
mod support;
mod token;
