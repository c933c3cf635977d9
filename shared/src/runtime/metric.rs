//! Figures for CloudWatch, in its embedded metric format: a line of the log from which it makes a metric, without a call and without a right.

use std::io::Write;

use serde_json::json;

use super::since_1970;

/// The namespace of our metrics; the dimension is the table, which is what makes a deployment.
const NAMESPACE: &str = "Gatewright";

/// Prints a figure in seconds, whatever the level of the log: an alarm waits for it.
pub(super) fn seconds(table: &str, name: &str, value: u64) {
    let definition = json!({"Namespace": NAMESPACE, "Dimensions": [["Table"]], "Metrics": [{"Name": name, "Unit": "Seconds"}]});
    let at = u64::try_from(since_1970().as_millis()).unwrap_or_default();
    let line = json!({"_aws": {"Timestamp": at, "CloudWatchMetrics": [definition]}, "Table": table, name: value});
    // Nobody is left to tell if it fails.
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}
