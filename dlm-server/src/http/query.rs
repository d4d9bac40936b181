//! Query strings. Unknown and repeated parameters are rejected.

use super::percent;
use super::response::Rejection;

/// The parameters of a query, decoded.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, Rejection> {
        Self::parse_repeating(query, known, "")
    }

    /// Parses a query in which the parameter `repeating` may be given several times.
    pub(super) fn parse_repeating(
        query: Option<&str>,
        known: &[&str],
        repeating: &str,
    ) -> Result<Self, Rejection> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in query.unwrap_or("").split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if !known.contains(&name.as_str()) {
                return Err(Rejection::invalid(format!(
                    "unknown query parameter `{name}`; the known ones are {}",
                    known.join(", ")
                )));
            }
            if name != repeating && parameters.iter().any(|(other, _)| *other == name) {
                return Err(Rejection::invalid(format!("query parameter `{name}` is given twice")));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The values of a parameter that may be given several times, in order.
    pub(super) fn all(self, name: &str) -> impl Iterator<Item = String> {
        self.0.into_iter().filter(move |(other, _)| other == name).map(|(_, value)| value)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(other, _)| other == name)?;
        Some(self.0.swap_remove(index).1)
    }
}

fn decode(text: &str) -> Result<String, Rejection> {
    let text = text.replace('+', " ");
    let decoded = percent::decode(&text).map_err(|error| Rejection::invalid(format!("the query {error}")))?;
    if decoded.contains('\0') {
        return Err(Rejection::invalid("the query must not contain U+0000"));
    }
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let mut query = Query::parse(Some("prefix=a%2Fb+c%2B&limit=5"), &["prefix", "limit"]).unwrap();
        assert_eq!(query.take("prefix").as_deref(), Some("a/b c+"));
        assert_eq!(query.take("limit").as_deref(), Some("5"));
        assert_eq!(query.take("after"), None);
    }

    #[test]
    fn a_parameter_that_may_repeat_keeps_the_order_of_its_values() {
        let query = Query::parse_repeating(Some("name=b&name=a&name=b"), &["name"], "name").unwrap();
        assert_eq!(query.all("name").collect::<Vec<_>>(), ["b", "a", "b"]);
        assert!(Query::parse_repeating(Some("name=b&limit=1&limit=1"), &["name", "limit"], "name").is_err());
    }

    #[test]
    fn unknown_repeated_and_undecodable_parameters_are_rejected() {
        for query in [
            "prefx=a",
            "prefix=a&prefix=b",
            "prefix=%ff",
            "prefix=%00",
            "prefix=%",
            "prefix=a%2",
            "prefix=%zz",
            "%=a",
            "prefix%",
        ] {
            assert!(Query::parse(Some(query), &["prefix"]).is_err(), "{query}");
        }
    }
}
