//! The domain logic of Gatewright, in four layers. Read it in this order:
//!
//! | layer | what it is | may use |
//! |---|---|---|
//! | [`oauth`] | the rules: values in, values out | nothing below |
//! | `store` | the table: one method per access pattern | `oauth` |
//! | `endpoints` | the shells: load, decide, commit, answer | `oauth`, `store` |
//! | `runtime` | the glue: configuration, cold start, Lambda events | all of them |
//!
//! Where each RFC lives: 6454 [`oauth::origin`] · 6749 [`oauth::authorize`], [`oauth::token`], [`oauth::grant`], [`oauth::client_auth`], [`oauth::form`],
//! [`oauth::scope`] · 6750 [`oauth::bearer`] · 7636 [`oauth::pkce`] · 8252 [`oauth::authorize`] · 9106 [`oauth::password`] · 9207
//! [`oauth::authorize`] · 9700 [`oauth::grant`] ·
//! 7009 [`oauth::revocation`] · 7515, 8725 [`oauth::jws`] · 7517 [`oauth::keys`] · 7591 [`oauth::registration`] ·
//! 7662 [`oauth::introspection`] · 8414, 9728 [`oauth::metadata`] · 8707 [`oauth::scope`] · 9068 [`oauth::access_token`], [`oauth::token_gate`].

#[cfg(feature = "aws")]
pub mod endpoints;
pub mod oauth;
pub mod routes;
#[cfg(feature = "aws")]
pub mod runtime;
#[cfg(feature = "aws")]
pub mod store;
