//! What is printed: aligned and short for people, the server's own JSON for scripts.

use std::io::{ErrorKind, Write, stdout};

use serde_json::Value;

use crate::fault::Fault;

/// How to print.
pub struct Output {
    /// For scripts.
    pub json: bool,
}

/// What is shown first of an object, in this order; the rest follows by name.
const FIRST: [&str; 10] = ["client_id", "client_name", "name", "api", "routes", "client_type", "grant_types", "audience", "scopes", "base_path"];
/// What is shown last.
const LAST: [&str; 6] = ["created_at", "updated_at", "expires_at", "version", "secret_id", "client_secret"];

impl Output {
    /// Prints an object; a secret in it with a word of warning.
    pub fn object(&self, object: &Value) -> Result<(), Fault> {
        if self.json {
            return self.line(&object.to_string());
        }
        let lines = aligned(object);
        self.line(&lines)?;
        if object.get("client_secret").is_some() {
            eprintln!("\nThe secret is shown this once, the server keeps a digest of it: put it where the client reads it.");
        }
        Ok(())
    }

    /// Prints a list as a table of these members.
    pub fn list(&self, list: &Value, columns: &[&str]) -> Result<(), Fault> {
        if self.json {
            return self.line(&list.to_string());
        }
        let items = list.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if items.is_empty() {
            eprintln!("There are none.");
            return Ok(());
        }
        self.line(&table(items, columns))
    }

    /// Says that something is done; scripts have the exit code.
    pub fn done(&self, sentence: &str) -> Result<(), Fault> {
        if self.json { Ok(()) } else { self.line(sentence) }
    }

    /// Prints a line.
    pub fn line(&self, line: &str) -> Result<(), Fault> {
        match writeln!(stdout().lock(), "{line}") {
            // Whoever reads has read enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            printed => printed.map_err(|error| Fault::new(format!("the output cannot be written: {error}"))),
        }
    }
}

/// Text that cannot steer a terminal.
pub fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

fn aligned(object: &Value) -> String {
    let mut members: Vec<(&str, String)> = object.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), cell(value))).collect();
    members.retain(|(_, value)| !value.is_empty());
    let place = |name: &str| match (FIRST.iter().position(|first| *first == name), LAST.iter().position(|last| *last == name)) {
        (Some(at), _) => at,
        (None, None) => FIRST.len(),
        (None, Some(at)) => FIRST.len() + 1 + at,
    };
    members.sort_by_key(|(name, _)| (place(name), (*name).to_owned()));
    let width = members.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines: Vec<String> = members.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect();
    lines.join("\n")
}

fn table(items: &[Value], columns: &[&str]) -> String {
    let head = columns.iter().map(|column| column.replace('_', " ").to_uppercase()).collect();
    let rows = items.iter().map(|item| {
        let text = |column: &&str| item.get(*column).map(cell).filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned());
        columns.iter().map(text).collect()
    });
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|text| text.chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A value in one line; a scope of an Api is its value.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => plain(text),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(" "),
        Value::Object(members) => members.get("value").map(cell).unwrap_or_else(|| plain(&value.to_string())),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_aligned_and_without_what_it_does_not_say() {
        let object = json!({"version": 1, "active": true, "client_name": "The\tshop", "client_id": "shop", "tags": [], "access_token_ttl": null,
            "client_secret": "s", "scopes": [{"value": "read", "description": "x"}, {"value": "write"}]});
        assert_eq!(
            aligned(&object),
            "client_id      shop\nclient_name    The\u{fffd}shop\nscopes         read write\nactive         true\nversion        1\nclient_secret  s"
        );
    }

    #[test]
    fn a_list_is_a_table() {
        let items = [json!({"client_id": "é", "grant_types": ["a", "b"]}), json!({"client_id": "longer", "grant_types": []})];
        assert_eq!(table(&items, &["client_id", "grant_types"]), "CLIENT ID  GRANT TYPES\né          a b\nlonger     -");
    }
}
