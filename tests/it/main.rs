//! Black-box tests. Names and comments carry the row ids of the specification that a test holds.

mod admin;
mod admin_clients;
mod admin_objects;
mod authorizer;
mod authorizer_events;
mod binaries;
mod client_auth;
mod events;
mod faults;
mod feed;
mod forge;
mod forged;
mod http;
mod introspect;
mod layers;
mod metadata;
mod nodes;
mod proxy;
mod revoke;
mod scripts;
mod secrets;
mod shapes;
mod store;
mod support;
mod table;
mod token;
