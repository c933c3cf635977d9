//! Figures for CloudWatch, in its embedded metric format: a line of the log from which it makes a metric, without a call and without a right.

use std::io::Write;

use serde_json::{Value, json};

use crate::oauth::time::Timestamp;

/// The namespace of our metrics; the dimension is the table, which is what makes a deployment.
const NAMESPACE: &str = "Gatewright";

/// Prints a figure in seconds, whatever the level of the log: an alarm waits for it.
pub(super) fn seconds(table: &str, name: &str, value: u64, now: Timestamp) {
    // Nobody is left to tell if it fails.
    let _ = std::io::stdout().write_all(format!("{}\n", embedded(table, name, value, now)).as_bytes());
}

fn embedded(table: &str, name: &str, value: u64, now: Timestamp) -> Value {
    let definition = json!({"Namespace": NAMESPACE, "Dimensions": [["Table"]], "Metrics": [{"Name": name, "Unit": "Seconds"}]});
    // Milliseconds, and nothing else is taken.
    json!({"_aws": {"Timestamp": now.unix() * 1_000, "CloudWatchMetrics": [definition]}, "Table": table, name: value})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_in_the_form_of_which_cloudwatch_makes_a_metric() {
        // The alarms look for this namespace, this dimension and these names.
        let line = embedded("gatewright-prod", "KeyAge", 86_400, Timestamp::from_unix(1_795_197_600)).to_string();
        assert_eq!(
            line,
            r#"{"KeyAge":86400,"Table":"gatewright-prod","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Table"]],"Metrics":[{"Name":"KeyAge","Unit":"Seconds"}],"Namespace":"Gatewright"}],"Timestamp":1795197600000}}"#
        );
    }
}
