//! Everything on the developer's machine: the endpoints in one process or as the deployed binaries, an embedded DynamoDB, and a model
//! of an API Gateway stage in front of an echo API. Never deployed.

pub mod engine;
pub mod front;
pub mod gateway;
pub mod greeting;
pub mod node;
pub mod processes;
pub mod runtime_api;
pub mod settings;
