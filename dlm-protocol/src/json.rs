//! How values of JSON are read where callers write them in more than one way.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// Reads `null` as the default of an optional field, as if the field were absent.
pub(crate) fn null_as_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a whole number, also in the forms `30000.0` and `3e4`: JSON has only one
/// type of numbers, and some writers choose these forms.
pub(crate) fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_u64(WholeNumber)
}

struct WholeNumber;

impl Visitor<'_> for WholeNumber {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number that is not negative")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
        /// Above it not every whole number has a floating-point form of its own.
        const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
        if number.fract() == 0.0 && (0.0..=MAX_EXACT).contains(&number) {
            Ok(number as u64)
        } else {
            Err(E::invalid_value(Unexpected::Float(number), &self))
        }
    }
}

/// Reads an object of strings in which no key occurs twice.
pub(crate) fn distinct_pairs<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    deserializer.deserialize_map(DistinctPairs)
}

struct DistinctPairs;

impl<'de> Visitor<'de> for DistinctPairs {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a flat object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            if pairs.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate key {key:?} in metadata")));
            }
            pairs.insert(key, value);
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use crate::{AcquireRequest, FencingToken, Metadata, Mode, SessionRequest, Ttl};

    #[test]
    fn null_is_an_absent_field() {
        let request = r#"{"mode": null, "ttl_ms": null, "wait_ms": null, "owner": null, "metadata": null}"#;
        assert_eq!(serde_json::from_str::<AcquireRequest>(request).unwrap(), AcquireRequest::default());
        let frame = r#"{"id": 1, "op": "acquire", "resource": "a", "mode": null, "leases": null}"#;
        assert_eq!(serde_json::from_str::<SessionRequest>(frame).unwrap().mode, None);
        assert!(serde_json::from_str::<Metadata>(r#"{"a": null}"#).is_err());
        assert_eq!(AcquireRequest::default().mode, Mode::Exclusive);
    }

    #[test]
    fn key_that_occurs_twice_is_refused() {
        for request in [
            r#"{"metadata": {"a": "1", "a": "1"}}"#,
            r#"{"owner": "a", "owner": "a"}"#,
            r#"{"metadata": {}, "metadata": {}}"#,
        ] {
            let error = serde_json::from_str::<AcquireRequest>(request).unwrap_err();
            assert!(error.to_string().contains("duplicate"), "{error}");
        }
    }

    #[test]
    fn whole_numbers_have_several_forms() {
        for text in ["30000", "30000.0", "3e4", "3.0E+4"] {
            assert_eq!(serde_json::from_str::<Ttl>(text).unwrap().as_millis(), 30_000, "{text}");
            assert_eq!(serde_json::from_str::<FencingToken>(text).unwrap(), FencingToken::new(30_000));
        }
        let frame = r#"{"id": 7.0, "op": "check", "resource": "a", "fencing_token": 4e1}"#;
        let frame: SessionRequest = serde_json::from_str(frame).unwrap();
        assert_eq!((frame.id, frame.fencing_token), (7, Some(FencingToken::new(40))));
        let largest = u64::MAX.to_string();
        assert_eq!(serde_json::from_str::<FencingToken>(&largest).unwrap(), FencingToken::new(u64::MAX));
        for text in ["1000.5", "-1000", "-1e3", "1e300", "1e16", "\"1000\"", "true", "null"] {
            let error = serde_json::from_str::<FencingToken>(text).unwrap_err().to_string();
            assert!(error.contains("a whole number that is not negative"), "{text}: {error}");
        }
    }
}
