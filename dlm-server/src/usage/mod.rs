//! What each principal has and does, for the rules that limit it.
//!
//! - `bucket`: requests per second
//! - `claims`: leases and waiters
//!
//! There is one [`RuleUsage`] for each rule with such a limit, and none for others. So
//! the memory is bounded by the auth file.

mod bucket;
mod claims;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use crate::store::{ClaimTotals, Name, Names};
use bucket::TokenBucket;
pub(crate) use claims::{ClaimChange, ClaimLimits, ClaimQuota, InFlight};
use claims::{ClaimCounts, Writes};

/// The usage of all principals.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    rules: RwLock<HashMap<Arc<str>, Vec<Arc<RuleUsage>>>>,
    /// Whether any rule limits leases or waiters.
    counts_claims: AtomicBool,
}

/// Identifies a rule with limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RuleId<'a> {
    pub(crate) principal: &'a Arc<str>,
    /// As it is written in the rule.
    pub(crate) prefix: &'a str,
    /// Whether the rule limits leases or waiters.
    pub(crate) counts_claims: bool,
}

/// What one principal has and does below the prefix of one rule.
#[derive(Debug)]
pub(crate) struct RuleUsage {
    principal: Arc<str>,
    prefix: Box<str>,
    counts_claims: bool,
    names: Names,
    requests: Mutex<TokenBucket>,
    claims: Mutex<ClaimCounts>,
}

impl Usage {
    /// The usage of a rule, with the names below its prefix. It starts at nothing if the
    /// rule is new.
    pub(crate) fn of(&self, rule: RuleId<'_>, names: impl FnOnce() -> Names) -> Arc<RuleUsage> {
        let known = find(&self.rules(), rule);
        if let Some(known) = known {
            return known;
        }
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = find(&rules, rule) {
            return known;
        }
        let RuleId { principal, prefix, counts_claims } = rule;
        let new = Arc::new(RuleUsage {
            principal: Arc::clone(principal),
            prefix: prefix.into(),
            counts_claims,
            names: names(),
            requests: Mutex::default(),
            claims: Mutex::default(),
        });
        rules.entry(Arc::clone(principal)).or_default().push(Arc::clone(&new));
        if counts_claims {
            self.counts_claims.store(true, Ordering::Release);
        }
        new
    }

    /// Forgets all rules but these.
    pub(crate) fn retain(&self, is_in_force: impl Fn(RuleId<'_>) -> bool) {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        rules.retain(|_, rules| {
            rules.retain(|rule| is_in_force(rule.id()));
            !rules.is_empty()
        });
        let counts = rules.values().flatten().any(|rule| rule.counts_claims);
        self.counts_claims.store(counts, Ordering::Release);
    }

    /// Whether changes of claims have to be recorded.
    pub(crate) fn counts_claims(&self) -> bool {
        self.counts_claims.load(Ordering::Acquire)
    }

    /// Records what a batch of a writer has changed, after its commit.
    pub(crate) fn record(&self, writer: i64, batch: i64, changes: &[(Name, ClaimChange)]) {
        let rules = self.rules();
        for (name, change) in changes {
            let Some(rules) = rules.get(&change.principal) else { continue };
            for rule in rules.iter().filter(|rule| rule.counts_claims && rule.names.contains(name)) {
                rule.claims().record(writer, batch, change.count);
            }
        }
    }

    /// Begins to count: the rules whose leases and waiters are to be counted.
    pub(crate) fn begin_count(&self) -> Counting {
        let rules: Vec<_> =
            self.rules().values().flatten().filter(|rule| rule.counts_claims).cloned().collect();
        rules.iter().for_each(|rule| rule.claims().begin_count());
        let mut names: Vec<Names> = Vec::new();
        for rule in &rules {
            if !names.contains(&rule.names) {
                names.push(rule.names.clone());
            }
        }
        Counting { rules, names }
    }

    fn rules(&self) -> std::sync::RwLockReadGuard<'_, HashMap<Arc<str>, Vec<Arc<RuleUsage>>>> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(rules: &HashMap<Arc<str>, Vec<Arc<RuleUsage>>>, id: RuleId<'_>) -> Option<Arc<RuleUsage>> {
    rules.get(id.principal)?.iter().find(|rule| rule.id() == id).cloned()
}

/// A count in progress. If it is dropped, the counts before stay in force.
#[derive(Debug)]
#[must_use = "a count has to be finished"]
pub(crate) struct Counting {
    rules: Vec<Arc<RuleUsage>>,
    names: Vec<Names>,
}

impl Counting {
    /// The sets of names to count in.
    pub(crate) fn names(&self) -> &[Names] {
        &self.names
    }

    /// Puts what was counted in force: one element for each of [`Self::names`], from one
    /// snapshot.
    pub(crate) fn finish(self, totals: &ClaimTotals) {
        let counted = Writes(&totals.writers);
        for rule in &self.rules {
            let below = self.names.iter().position(|names| *names == rule.names);
            let below = below.and_then(|index| totals.below.get(index));
            let own = below.and_then(|principals| principals.get(&*rule.principal));
            rule.claims().finish_count(own.copied().unwrap_or_default(), counted);
        }
    }
}

impl RuleUsage {
    fn id(&self) -> RuleId<'_> {
        RuleId { principal: &self.principal, prefix: &self.prefix, counts_claims: self.counts_claims }
    }

    /// Takes a token for one request, of so many per second. If there is none, returns
    /// when there will be one.
    pub(crate) fn take_request(&self, per_second: u32, now: Duration) -> Result<(), Duration> {
        lock(&self.requests).take(per_second, now)
    }

    /// Admits an acquire, or returns the quota that is used up.
    pub(crate) fn admit(self: &Arc<Self>, limits: ClaimLimits, waits: bool) -> Result<InFlight, ClaimQuota> {
        self.claims().admit(limits, waits)?;
        Ok(InFlight::new(Arc::clone(self), waits))
    }

    fn claims(&self) -> MutexGuard<'_, ClaimCounts> {
        lock(&self.claims)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ClaimCount;

    fn usage(usage: &Usage, principal: &str, prefix: &str) -> Arc<RuleUsage> {
        let rule = RuleId { principal: &principal.into(), prefix, counts_claims: true };
        usage.of(rule, || match prefix {
            "" => Names::All,
            prefix => Names::below([prefix]),
        })
    }

    fn leases(rule: &RuleUsage) -> i64 {
        rule.claims().leases()
    }

    #[test]
    fn changes_count_for_every_rule_of_their_principal_that_covers_the_name() {
        let all = Usage::default();
        let (everything, orders) = (usage(&all, "api", ""), usage(&all, "api", "orders"));
        let (bills, other) = (usage(&all, "api", "bills"), usage(&all, "other", ""));
        let granted = ClaimChange { principal: "api".into(), count: ClaimCount { leases: 1, waiters: 0 } };
        all.record(0, 1, &[("orders/1".into(), granted.clone()), ("orders2".into(), granted)]);
        let counts = [&everything, &orders, &bills, &other].map(|rule| leases(rule));
        assert_eq!(counts, [2, 1, 0, 0]);
    }

    #[test]
    fn a_rule_that_is_no_longer_in_force_is_forgotten() {
        let all = Usage::default();
        let kept = usage(&all, "api", "orders");
        usage(&all, "api", "bills");
        usage(&all, "gone", "");
        all.retain(|rule| &**rule.principal == "api" && rule.prefix == "orders");
        assert_eq!(all.rules().values().flatten().count(), 1);
        assert_eq!(all.rules().len(), 1, "no empty entry stays behind");
        assert!(Arc::ptr_eq(&kept, &usage(&all, "api", "orders")));
        assert!(all.counts_claims());
        all.retain(|_| false);
        assert!(!all.counts_claims());
    }

    #[test]
    fn a_count_is_put_in_force_for_each_rule() {
        let all = Usage::default();
        let rules = [usage(&all, "a", ""), usage(&all, "a", "x"), usage(&all, "b", ""), usage(&all, "c", "")];
        let counting = all.begin_count();
        assert_eq!(counting.names().len(), 2, "rules with one prefix share a count");
        let below = |names: &Names| {
            let leases = |leases| ClaimCount { leases, waiters: 0 };
            match names {
                Names::All => HashMap::from([("a".to_owned(), leases(5)), ("b".to_owned(), leases(7))]),
                Names::In(_) => HashMap::from([("a".to_owned(), leases(3))]),
            }
        };
        let below = counting.names().iter().map(below).collect();
        counting.finish(&ClaimTotals { below, writers: HashMap::new() });
        assert_eq!(rules.each_ref().map(|rule| leases(rule)), [5, 3, 7, 0]);
    }
}
