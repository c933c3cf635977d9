//! Black-box tests. Names and comments carry the row ids of the specification that a test holds.

mod proxy;
mod support;
mod token;
