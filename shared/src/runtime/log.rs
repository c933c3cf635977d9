//! One JSON object per line on standard error: a message to read and fields to search. Only this crate's own lines: the SDK's traces
//! hold credentials at their deepest level (CVE-2023-30610) and have no subscriber here.

use std::io::Write;

use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};
use serde_json::{Map, json};

struct JsonLines;

/// Starts logging at this level; a second start changes the level.
pub fn start_logging(level: LevelFilter) {
    // It fails only where a logger is set already, and that one is this one.
    let _ = log::set_logger(&JsonLines);
    log::set_max_level(level);
}

impl Log for JsonLines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        target.starts_with("shared") || target.starts_with("local")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut fields = Fields(Map::new());
        fields.0.insert("level".to_owned(), record.level().as_str().into());
        fields.0.insert("message".to_owned(), record.args().to_string().into());
        let _ = record.key_values().visit(&mut fields);
        // One write per line, so that lines of several instances do not mix. Nobody is left to tell if it fails.
        let _ = std::io::stderr().write_all(format!("{}\n", json!(fields.0)).as_bytes());
    }

    fn flush(&self) {}
}

struct Fields(Map<String, serde_json::Value>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.insert(key.to_string(), value.to_string().into());
        Ok(())
    }
}
