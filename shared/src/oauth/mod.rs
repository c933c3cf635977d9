//! The rules: values in, values out. No I/O, no clock, no randomness, no AWS, no HTTP; `cargo check -p shared
//! --no-default-features` builds this directory alone.

pub mod access_token;
pub mod api;
pub mod authorize;
pub mod bearer;
pub mod change;
pub mod client;
pub mod client_auth;
pub mod diagnosis;
pub mod error;
pub mod form;
pub mod fresh;
pub mod gates;
pub mod grant;
pub mod grant_token;
pub mod ids;
pub mod introspection;
pub mod jws;
pub mod keys;
pub mod metadata;
pub mod password;
pub mod path;
pub mod pkce;
pub mod privilege;
pub mod registration;
pub mod revocation;
pub mod rights;
pub mod route;
pub mod route_table;
pub mod scope;
pub mod secret;
pub mod sign_in;
pub mod time;
pub mod token;
pub mod token_gate;
pub mod user;
