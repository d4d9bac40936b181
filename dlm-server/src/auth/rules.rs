//! What one principal may do.

use std::sync::Arc;

use super::Prefix;

/// What a rule allows. Each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    /// Status, lists, events and the overview.
    Observe,
    /// Acquire, renew, release, cancel and check.
    Lock,
    /// Force-release.
    Admin,
}

impl Role {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Observe, Self::Lock, Self::Admin].into_iter().find(|role| role.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        dlm_protocol::Role::from(self).as_str()
    }
}

impl From<Role> for dlm_protocol::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Observe => Self::Observe,
            Role::Lock => Self::Lock,
            Role::Admin => Self::Admin,
        }
    }
}

/// The bounds of a rule; `None` where only the bounds of the API hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Limits {
    pub(crate) max_ttl_ms: Option<u64>,
    pub(crate) max_wait_ms: Option<u64>,
    pub(crate) max_leases: Option<u64>,
    pub(crate) max_waiters: Option<u64>,
    pub(crate) requests_per_second: Option<u32>,
}

impl Limits {
    /// Whether the leases or waiters of the principal have to be counted.
    pub(crate) fn counts_claims(&self) -> bool {
        self.max_leases.is_some() || self.max_waiters.is_some()
    }
}

/// A role on the resources below a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) role: Role,
    pub(crate) prefix: Prefix,
    pub(crate) limits: Limits,
}

/// All rules of a principal. Rights add up: what one rule allows, no other takes
/// away. The limits of a request are those of the most specific rule that allows
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rules {
    /// The longest prefix first.
    rules: Vec<Arc<Rule>>,
}

impl Rules {
    /// The rules in any order. Of two rules on the same names the second would never
    /// apply, so the caller refuses them.
    pub(crate) fn new(mut rules: Vec<Rule>) -> Self {
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.prefix.stem().len()));
        Self { rules: rules.into_iter().map(Arc::new).collect() }
    }

    /// One rule that allows everything.
    pub(crate) fn everything() -> Self {
        Self::new(vec![Rule { role: Role::Admin, prefix: Prefix::new(""), limits: Limits::default() }])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.iter()
    }

    /// The most specific rule that allows a role on a resource.
    pub(crate) fn allowing(&self, role: Role, resource: &str) -> Option<&Arc<Rule>> {
        self.rules.iter().find(|rule| rule.role >= role && rule.prefix.covers(resource))
    }

    /// Which resources the principal may observe.
    pub(crate) fn visibility(&self) -> Visibility {
        Visibility::of(self.rules.iter().map(|rule| rule.prefix.clone()))
    }

    /// Whether these rules allow everything that the other ones allow, limits aside.
    pub(crate) fn allow_all_of(&self, other: &Self) -> bool {
        let allows = |wanted: &Arc<Rule>| {
            self.rules
                .iter()
                .any(|rule| rule.role >= wanted.role && rule.prefix.covers_all_of(&wanted.prefix))
        };
        other.rules.iter().all(allows)
    }
}

/// The resources that a principal may observe.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Visibility {
    /// In the order of names, none of which covers another.
    prefixes: Vec<Prefix>,
}

impl Visibility {
    /// No resource.
    pub(crate) fn nothing() -> Self {
        Self { prefixes: Vec::new() }
    }

    fn of(prefixes: impl Iterator<Item = Prefix>) -> Self {
        let mut kept: Vec<Prefix> = Vec::new();
        for prefix in prefixes {
            if kept.iter().any(|outer| outer.covers_all_of(&prefix)) {
                continue;
            }
            kept.retain(|inner| !prefix.covers_all_of(inner));
            kept.push(prefix);
        }
        kept.sort_by(|a, b| a.stem().cmp(b.stem()));
        Self { prefixes: kept }
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.prefixes.iter().any(Prefix::is_everything)
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.prefixes.is_empty()
    }

    pub(crate) fn sees(&self, resource: &str) -> bool {
        self.prefixes.iter().any(|prefix| prefix.covers(resource))
    }

    /// Whether everything that the other one sees is in sight.
    pub(crate) fn sees_all_of(&self, other: &Self) -> bool {
        let covers = |inner: &Prefix| self.prefixes.iter().any(|outer| outer.covers_all_of(inner));
        other.prefixes.iter().all(covers)
    }

    pub(crate) fn prefixes(&self) -> &[Prefix] {
        &self.prefixes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(role: Role, prefix: &str, max_ttl_ms: Option<u64>) -> Rule {
        Rule { role, prefix: Prefix::new(prefix), limits: Limits { max_ttl_ms, ..Limits::default() } }
    }

    #[test]
    fn rights_add_up_and_the_most_specific_rule_limits() {
        let rules = Rules::new(vec![
            rule(Role::Lock, "", Some(1)),
            rule(Role::Observe, "a/b", None),
            rule(Role::Lock, "a", Some(2)),
        ]);
        let limit = |name| rules.allowing(Role::Lock, name).and_then(|rule| rule.limits.max_ttl_ms);
        assert_eq!((limit("z"), limit("a"), limit("a/b/c")), (Some(1), Some(2), Some(2)));
        assert_eq!(rules.allowing(Role::Observe, "a/b").unwrap().prefix.stem(), "a/b");
        assert!(rules.allowing(Role::Admin, "a").is_none());
        assert!(Rules::default().allowing(Role::Observe, "a").is_none());
    }

    #[test]
    fn visibility_keeps_the_outermost_prefixes() {
        let of = |prefixes: &[&str]| {
            let rules = Rules::new(prefixes.iter().map(|prefix| rule(Role::Observe, prefix, None)).collect());
            rules.visibility().prefixes().iter().map(Prefix::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of(&["b", "a/c", "a/"]), ["a/", "b"]);
        assert_eq!(of(&["a", "", "b"]), [""]);
        assert_eq!(of(&["ab", "a"]), ["a", "ab"]);
    }

    #[test]
    fn fewer_rights_do_not_allow_all_of_more() {
        let rules = |rules: &[(Role, &str)]| {
            Rules::new(rules.iter().map(|(role, prefix)| rule(*role, prefix, None)).collect())
        };
        let both = rules(&[(Role::Lock, "a"), (Role::Observe, "")]);
        assert!(both.allow_all_of(&both) && both.allow_all_of(&rules(&[(Role::Observe, "a/b")])));
        assert!(!both.allow_all_of(&rules(&[(Role::Lock, "b")])));
        assert!(!rules(&[(Role::Lock, "a")]).allow_all_of(&both));
        assert!(Rules::everything().allow_all_of(&both));
    }
}
