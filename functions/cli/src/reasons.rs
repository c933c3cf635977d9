//! Why the endpoint could not answer: what it tells its log and not its callers, kept for the operator at the terminal.

use std::sync::{Mutex, PoisonError};

use log::kv::{Key, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};

static REASONS: Reasons = Reasons(Mutex::new(None));

struct Reasons(Mutex<Option<String>>);

/// Starts keeping the last reason.
pub fn listen() {
    // It fails only where a logger is set already.
    let _ = log::set_logger(&REASONS);
    log::set_max_level(LevelFilter::Info);
}

/// The last reason that was logged.
pub fn last() -> Option<String> {
    REASONS.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Log for Reasons {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("shared")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut found = Reason(None);
        let _ = record.key_values().visit(&mut found);
        if found.0.is_some() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = found.0;
        }
    }

    fn flush(&self) {}
}

struct Reason(Option<String>);

impl<'kvs> VisitSource<'kvs> for Reason {
    fn visit_pair(&mut self, key: Key<'kvs>, value: log::kv::Value<'kvs>) -> Result<(), log::kv::Error> {
        if key.as_str() == "reason" {
            self.0 = Some(value.to_string());
        }
        Ok(())
    }
}
