//! What is recorded.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::SystemTime;

use serde::Serialize;

use super::Origin;

/// Maximum length of a text in a record, in bytes; longer ones are cut off. No valid name
/// and no reason is longer.
const MAX_TEXT: usize = 1024;

/// How something ended that is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuditOutcome {
    /// It is allowed, and about to be executed.
    Attempted,
    Succeeded,
    /// It was allowed, and had no effect.
    Failed,
    /// It was allowed and may have had an effect: the caller hung up, or the outcome is
    /// not known.
    Unknown,
    /// It was not allowed.
    Denied,
}

/// One record. No field may hold a secret.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    /// The name of the principal; empty for the anonymous one, `None` if it is not known.
    pub(crate) principal: Option<&'a str>,
    /// `None` for what no request causes.
    pub(crate) origin: Option<&'a Origin>,
    /// The name of the operation, as in metrics.
    pub(crate) verb: &'a str,
    pub(crate) resource: Option<&'a str>,
    /// The fencing token.
    pub(crate) token: Option<u64>,
    pub(crate) outcome: AuditOutcome,
    /// Why, for programs.
    pub(crate) code: Option<&'a str>,
    /// Why, for people.
    pub(crate) reason: Option<&'a str>,
}

/// The members of a line.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    principal: Option<Cow<'a, str>>,
    address: Option<String>,
    request_id: Option<String>,
    verb: &'a str,
    resource: Option<Cow<'a, str>>,
    token: Option<u64>,
    outcome: AuditOutcome,
    code: Option<&'a str>,
    reason: Option<Cow<'a, str>>,
}

impl<'a> Record<'a> {
    /// Files were read again; `what` they say, or what is wrong with them.
    pub(crate) const fn of_reload(verb: &'a str, outcome: AuditOutcome, what: &'a str) -> Self {
        let (principal, origin, resource, token, code) = (None, None, None, None, None);
        Self { principal, origin, verb, resource, token, outcome, code, reason: Some(what) }
    }

    /// The line of the record at an instant, with its end.
    pub(super) fn line(&self, at: SystemTime) -> String {
        let line = Line {
            time: humantime::format_rfc3339_micros(at).to_string(),
            principal: self.principal.map(bounded),
            address: self.origin.map(|origin| origin.address.to_string()),
            request_id: self.origin.map(|origin| bounded(&origin.request.to_string()).into_owned()),
            verb: self.verb,
            resource: self.resource.map(bounded),
            token: self.token,
            outcome: self.outcome,
            code: self.code,
            reason: self.reason.map(bounded),
        };
        let mut text = String::new();
        for char in serde_json::to_string(&line).unwrap_or_default().chars() {
            // serde_json escapes only those below U+0020. All of these are inside strings.
            if changes_display(char) {
                write!(text, "\\u{:04x}", u32::from(char)).ok();
            } else {
                text.push(char);
            }
        }
        text.push('\n');
        text
    }
}

/// A text, cut off if it is too long.
fn bounded(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_TEXT {
        return Cow::Borrowed(text);
    }
    let end = (0..=MAX_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    Cow::Owned(format!("{}…", &text[..end]))
}

/// Whether a terminal or an editor would show another text than the one that is there:
/// control characters, line separators, and changes of direction.
fn changes_display(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value, json};

    use crate::audit::RequestRef;

    fn record<'a>(resource: &'a str, reason: &'a str) -> Record<'a> {
        Record {
            principal: Some("api"),
            origin: None,
            verb: "acquire",
            resource: Some(resource),
            token: None,
            outcome: AuditOutcome::Denied,
            code: Some("forbidden"),
            reason: Some(reason),
        }
    }

    #[test]
    fn a_line_is_one_json_object_with_every_field() {
        let request = RequestRef::Frame { session: "s".into(), id: Some(7) };
        let origin = Origin { address: "2001:db8::1".parse().unwrap(), request };
        let record = Record { origin: Some(&origin), token: Some(3), ..record("a/b", "why") };
        let line = record.line(UNIX_EPOCH + Duration::from_micros(1_767_225_600_123_456));
        assert!(line.ends_with("}\n") && line.matches('\n').count() == 1);
        let expected = json!({
            "time": "2026-01-01T00:00:00.123456Z", "principal": "api", "address": "2001:db8::1",
            "request_id": "s/7", "verb": "acquire", "resource": "a/b", "token": 3, "outcome": "denied",
            "code": "forbidden", "reason": "why",
        });
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), expected);
        let unknown = Record { principal: None, resource: None, ..record };
        let line: Value = serde_json::from_str(&unknown.line(UNIX_EPOCH)).unwrap();
        assert_eq!((&line["principal"], &line["resource"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn characters_that_change_the_display_are_escaped_and_kept() {
        let hostile =
            "a\n{\"outcome\":\"succeeded\"}\r\u{1b}[2J\u{7f}\u{9b}31m\u{202e}\u{2028}\u{200b}\u{0}ü\u{1f512}";
        let line = record(hostile, hostile).line(UNIX_EPOCH);
        let shown = line.strip_suffix('\n').unwrap();
        assert!(!shown.chars().any(changes_display), "{shown}");
        assert!(shown.contains("ü\u{1f512}"));
        let parsed: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&parsed["resource"], &parsed["reason"]), (&json!(hostile), &json!(hostile)));
    }

    #[test]
    fn the_size_of_a_line_is_bounded() {
        for char in ["x", "\u{0}", "\u{202e}", "\u{1f512}"] {
            let long = char.repeat(100_000);
            let line = record(&long, &long).line(UNIX_EPOCH);
            assert!(line.len() < 16 * 1024, "{}", line.len());
            let parsed: Value = serde_json::from_str(&line).unwrap();
            assert!(parsed["reason"].as_str().unwrap().ends_with(&format!("{char}…")));
        }
    }
}
