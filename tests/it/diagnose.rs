//! `POST /oauth2/diagnose`.
