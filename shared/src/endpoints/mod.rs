//! The shells: one file per endpoint. Load, ask the rules to decide, commit, answer. Nothing here decides.

mod cors;
mod keyring;
mod request;
mod respond;
mod route_view;
mod sign_in;
mod tally;

pub mod admin;
pub mod authorize;
pub mod authorizer;
pub mod bootstrap;
pub mod diagnose;
pub mod evidence;
pub mod introspect;
pub mod metadata;
pub mod revoke;
pub mod rotate;
pub mod token;

pub use keyring::{Keyring, KeyringError};
pub use request::Request;
pub use respond::{Response, not_found as respond_not_found, unavailable as respond_unavailable, unreadable as respond_unreadable};
pub use tally::Tally;
