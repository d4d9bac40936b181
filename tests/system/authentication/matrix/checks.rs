//! Whether answers are the expected ones, and show nothing else.

use std::collections::{BTreeMap, BTreeSet};

use dlm_protocol::Role;
use serde_json::Value;

use super::table::{Expected, Principal, Verb};

/// The refusals of a kind, which all have to be the same.
#[derive(Default)]
pub(super) struct Refusals(BTreeMap<String, BTreeSet<String>>);

impl Refusals {
    pub(super) fn add(&mut self, kind: String, shown: String) {
        self.0.entry(kind).or_default().insert(shown);
    }

    pub(super) fn assert_equal(&self, kinds: usize) {
        assert_eq!(self.0.len(), kinds, "{:?}", self.0.keys());
        for (kind, shown) in &self.0 {
            assert_eq!(shown.len(), 1, "refusals of {kind} differ: {shown:#?}");
        }
    }
}

/// Asserts that an answer is the expected one and shows nothing that its caller may not
/// observe.
pub(super) fn check(
    what: &str,
    verb: &Verb,
    caller: &Principal,
    expected: Expected,
    status: u16,
    body: &Value,
) {
    let problem = |status: u16, code: &str, required: Option<Role>| {
        let required = required.map_or(Value::Null, |role| role.as_str().into());
        (Value::from(status), Value::from(code), required)
    };
    let found = |body: &Value| (body["status"].clone(), body["code"].clone(), body["required"].clone());
    match expected {
        Expected::Allowed => {
            assert!(verb.allowed.contains(&status), "{what}: {status} {body}");
            assert_ne!(body["code"], "forbidden", "{what}");
            assert_ne!(body["results"][0]["problem"]["code"], "forbidden", "{what}");
        }
        Expected::Unauthenticated => assert_eq!(found(body), problem(401, "unauthenticated", None), "{what}"),
        Expected::Invalid => assert_eq!(status, 400, "{what}: {body}"),
        Expected::Forbidden(role) => {
            assert_eq!(found(body), problem(403, "forbidden", Some(role)), "{what}: {body}");
        }
        Expected::ForbiddenItem(role) => {
            let item = &body["results"][0]["problem"];
            assert_eq!((status, found(item)), (200, problem(403, "forbidden", Some(role))), "{what}: {body}");
        }
    }
    for resource in resources(body) {
        assert!(caller.sees(resource), "{what} shows {resource:?}");
    }
}

/// All resources that a reply has.
fn resources(body: &Value) -> Vec<&str> {
    match body {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| match (name.as_str(), value) {
                ("resource", Value::String(resource)) => vec![resource.as_str()],
                _ => resources(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(resources).collect(),
        _ => Vec::new(),
    }
}
