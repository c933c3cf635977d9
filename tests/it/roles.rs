//! `/admin/v1/roles`, and the roles of clients.
