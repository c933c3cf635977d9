//! `/admin/v1/privileges` and `/admin/v1/routes/explain`.
