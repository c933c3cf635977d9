//! JSON bodies, read strictly: no member twice, none unknown, a pointer to whatever is wrong.

use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::super::request::Request;
use super::problem::Problem;
use crate::oauth::invalid::Invalid;

/// The JSON object in the body; an empty body is an empty object where `may_be_empty`.
pub(super) fn object(request: &Request, may_be_empty: bool) -> Result<Map<String, Value>, Problem> {
    request.small_and_plain().map_err(Problem::Body)?;
    if request.body.is_empty() && may_be_empty {
        return Ok(Map::new());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(&request.body);
    let value = Strict.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(vec![Invalid::new("", "must be a JSON object")].into()),
        Err(error) => Err(vec![Invalid::new("", format!("is not JSON without repeated members: {error}"))].into()),
    }
}

/// `members` as a `T`, whose own (serialised) members are the only ones allowed.
///
/// # Errors
/// The unknown members, or the first member of the wrong type.
pub(super) fn read<T: DeserializeOwned>(members: Map<String, Value>, known: &[&str]) -> Result<T, Problem> {
    only_known(&members, known, "")?;
    serde_path_to_error::deserialize(Value::Object(members)).map_err(|error| {
        let path = error.path().to_string();
        let at = match path.as_str() {
            "." => String::new(),
            path => format!("/{}", path.replace("[", "/").replace(']', "").replace('.', "/").replace("//", "/")),
        };
        // A missing member is a fault of the object, and serde names it.
        let missing = error.inner().to_string().strip_prefix("missing field `").and_then(|rest| rest.split('`').next()).map(str::to_owned);
        let pointer = missing.map_or_else(|| at.clone(), |name| format!("{at}/{name}"));
        // Whoever reads this need not know the names of Rust's types.
        let detail = error.into_inner().to_string().replace("expected u64", "expected a whole number");
        vec![Invalid::new(pointer, detail)].into()
    })
}

/// The members of an object as it is stored.
pub(super) fn members(object: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(object) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// Refuses members of the object at the pointer `at` that are not `known`.
pub(super) fn only_known(members: &Map<String, Value>, known: &[&str], at: &str) -> Result<(), Problem> {
    let unknown: Vec<Invalid> = members
        .keys()
        .filter(|name| !known.contains(&name.as_str()))
        .map(|name| Invalid::new(format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), "is not a member of this object"))
        .collect();
    if unknown.is_empty() { Ok(()) } else { Err(unknown.into()) }
}

/// JSON Merge Patch (RFC 7396 §2) of an object whose members have defaults: null takes a member back to its default.
pub(super) fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.remove(&name)),
            Value::Object(patch) => {
                let was = target.remove(&name);
                let mut members = if let Some(Value::Object(members)) = was { members } else { Map::new() };
                merge(&mut members, patch);
                target.insert(name, Value::Object(members));
            }
            value => drop(target.insert(name, value)),
        }
    }
}

/// Any JSON value, with a member that stands twice refused rather than taken last.
#[derive(Clone, Copy)]
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(self)?;
            if members.contains_key(&name) {
                return Err(A::Error::custom("a member stands twice"));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &'static str) -> Result<Map<String, Value>, Problem> {
        let request = Request {
            method: http::Method::POST,
            path: String::new(),
            query: Vec::new(),
            headers: http::HeaderMap::new(),
            body: body.into(),
            source: None,
        };
        object(&request, false)
    }

    #[test]
    fn json_is_read_strictly() {
        // AD-14
        assert!(parse(r#"{"a":[1,-1,1.5,"x",null,true,{"b":{}}]}"#).is_ok());
        let deep: &'static str = Box::leak(format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000)).into_boxed_str());
        for wrong in ["", "[]", "null", r#"{"a":1,"a":2}"#, r#"{"a":{"b":1,"b":1}}"#, r#"{"a":1} x"#, r#"{"a":NaN}"#, r#"{"a":1e400}"#, "{", deep] {
            assert!(parse(wrong).is_err(), "{wrong:.40}");
        }
    }

    #[test]
    fn a_patch_is_merged_as_its_rfc_says() {
        //= https://www.rfc-editor.org/rfc/rfc7396#appendix-A
        //= type=test
        for (target, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            (r#"{"a":"foo"}"#, r#"{"a":{"b":"bar"}}"#, r#"{"a":{"b":"bar"}}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let mut merged = parse(target).unwrap();
            merge(&mut merged, parse(patch).unwrap());
            assert_eq!(merged, parse(result).unwrap(), "{target} {patch}");
        }
    }

    #[test]
    fn faults_point_at_their_members() {
        #[derive(Debug, serde::Deserialize)]
        struct Target {
            #[serde(rename = "list")]
            _list: Vec<u64>,
            #[serde(default, rename = "inner")]
            _inner: Vec<Inner>,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Inner {
            #[serde(rename = "value")]
            _value: u64,
        }
        let pointers = |body| match read::<Target>(parse(body).unwrap(), &["list", "inner"]) {
            Err(Problem::Invalid(faults)) => faults.into_iter().map(|fault| fault.pointer.into_owned()).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(pointers(r#"{"list":[1,"x"]}"#), ["/list/1"]);
        assert_eq!(pointers(r#"{"list":[],"LIST":1,"a/b~":1}"#), ["/LIST", "/a~1b~0"]);
        assert_eq!(pointers("{}"), ["/list"]);
        assert_eq!(pointers(r#"{"list":[],"inner":[{"value":1},{}]}"#), ["/inner/1/value"]);
    }
}
