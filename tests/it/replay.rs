//! A cached policy is right for every route.
