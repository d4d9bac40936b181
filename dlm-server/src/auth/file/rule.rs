//! The rules of a principal in an auth file.

use dlm_protocol::ResourceName;
use dlm_protocol::limits::{MAX_NAME_BYTES, MAX_TTL_MS, MAX_WAIT_MS, MIN_TTL_MS};

use super::field::{Field, Fields};
use super::mistake::Mistake;
use crate::auth::{Limits, Prefix, Role, Rule, Rules};

/// More than any server holds, so that a count always fits where it is compared.
const MAX_COUNT: u64 = 1_000_000_000;
const MAX_REQUESTS_PER_SECOND: u64 = 1_000_000;

const KEYS: [&str; 7] =
    ["role", "prefix", "max_ttl", "max_wait", "max_leases", "max_waiters", "requests_per_second"];

pub(super) fn rules(field: Field<'_>) -> Result<Rules, Mistake> {
    let mut rules: Vec<(Rule, usize)> = Vec::new();
    for item in field.items()? {
        let rule = rule(&item.table(&KEYS)?)?;
        // Of two rules on the same names, the second would never apply.
        let same = |other: &Rule| {
            rule.prefix.covers_all_of(&other.prefix) && other.prefix.covers_all_of(&rule.prefix)
        };
        if let Some((_, line)) = rules.iter().find(|(other, _)| same(other)) {
            return Err(
                item.mistake(&format!("has two rules on the same names; the other one is in line {line}"))
            );
        }
        rules.push((rule, item.line()));
    }
    Ok(Rules::new(rules.into_iter().map(|(rule, _)| rule).collect()))
}

fn rule(fields: &Fields<'_>) -> Result<Rule, Mistake> {
    let millis = |name, min, max| fields.optional(name).map(|field| field.millis(min..=max)).transpose();
    let count = |name, max| fields.optional(name).map(|field| field.integer(1..=max)).transpose();
    let requests = count("requests_per_second", MAX_REQUESTS_PER_SECOND)?;
    Ok(Rule {
        role: role(&fields.required("role")?)?,
        prefix: prefix(&fields.required("prefix")?)?,
        limits: Limits {
            max_ttl_ms: millis("max_ttl", MIN_TTL_MS, MAX_TTL_MS)?,
            max_wait_ms: millis("max_wait", 1, MAX_WAIT_MS)?,
            max_leases: count("max_leases", MAX_COUNT)?,
            max_waiters: count("max_waiters", MAX_COUNT)?,
            requests_per_second: requests.and_then(|requests| u32::try_from(requests).ok()),
        },
    })
}

fn role(field: &Field<'_>) -> Result<Role, Mistake> {
    Role::from_name(field.text()?).ok_or_else(|| field.mistake("must be `observe`, `lock` or `admin`"))
}

fn prefix(field: &Field<'_>) -> Result<Prefix, Mistake> {
    let text = field.text()?;
    match check_prefix(text) {
        Ok(()) => Ok(Prefix::new(text)),
        Err(reason) => Err(field.mistake(&reason)),
    }
}

/// Whether a name can begin with a prefix, and if not, why not.
pub(crate) fn check_prefix(text: &str) -> Result<(), String> {
    if text.len() > MAX_NAME_BYTES {
        return Err(format!("must be at most {MAX_NAME_BYTES} bytes"));
    }
    // These are no names themselves, but names begin with them.
    if matches!(text, "" | "." | "..") || ResourceName::try_from(text).is_ok() {
        return Ok(());
    }
    Err("has a control or bidirectional formatting character, which no name has".into())
}
