//! What differs between two policies, in numbers.

use std::collections::HashSet;

use super::{Policy, Principal};

/// How many principals differ. A principal has changed if its rules or its credentials
/// have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) added: usize,
    pub(super) removed: usize,
    pub(super) changed: usize,
    /// Whether the issuer of JWTs, or one of its keys, has changed.
    pub(super) jwt: bool,
}

impl Changes {
    pub(super) fn between(old: &Policy, new: &Policy) -> Self {
        let (old_credentials, new_credentials) = (old.credentials(), new.credentials());
        let differing =
            old_credentials.not_in(new_credentials).chain(new_credentials.not_in(old_credentials));
        let differing: HashSet<&Principal> = differing.collect();
        let same = |principal: &Principal| {
            old.rules(principal) == new.rules(principal) && !differing.contains(principal)
        };
        let kept = || new.principals().filter(|principal| old.rules(principal).is_some());
        let (old_issuer, new_issuer) = (old_credentials.issuer(), new_credentials.issuer());
        let same_issuer = match (old_issuer, new_issuer) {
            (Some(old), Some(new)) => old.accepts_same_as(new),
            (old, new) => old.is_none() && new.is_none(),
        };
        Self {
            added: new.principals().count() - kept().count(),
            removed: old.principals().count() - kept().count(),
            changed: kept().filter(|principal| !same(principal)).count(),
            jwt: !same_issuer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::sync::Arc;

    use crate::auth::{Credentials, Digest, Prefix, Role, Rule, Rules};

    fn policy(principals: &[(&str, &str, Role)]) -> Policy {
        let (mut rules, mut credentials) = (HashMap::new(), Credentials::default());
        for (name, token, role) in principals {
            let rule = Rule { role: *role, prefix: Prefix::new(""), limits: crate::auth::Limits::default() };
            rules.insert(Arc::from(*name), Arc::new(Rules::new(vec![rule])));
            credentials.add_token(Digest::of(token.as_bytes()), Principal::named((*name).into()), None);
        }
        Policy::new(rules).with_credentials(credentials)
    }

    #[test]
    fn principals_are_counted_that_differ_in_rules_or_credentials() {
        let old = policy(&[("a", "1", Role::Lock), ("b", "2", Role::Lock), ("c", "3", Role::Lock)]);
        let changes = |new: &[(&str, &str, Role)]| {
            let Changes { added, removed, changed, jwt } = Changes::between(&old, &policy(new));
            assert!(!jwt);
            (added, removed, changed)
        };
        let c = ("c", "3", Role::Lock);
        assert_eq!(changes(&[("a", "1", Role::Lock), ("b", "2", Role::Lock), c]), (0, 0, 0));
        assert_eq!(changes(&[("a", "1", Role::Admin), ("b", "4", Role::Lock), c]), (0, 0, 2));
        assert_eq!(changes(&[("a", "2", Role::Lock), ("b", "1", Role::Lock), c]), (0, 0, 2));
        assert_eq!(changes(&[("d", "1", Role::Lock), c]), (1, 2, 0));
    }
}
