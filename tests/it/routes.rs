//! Routes, privileges and roles, as calls meet them.
