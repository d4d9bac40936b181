//! What is computed once for all callers that may observe the same resources.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;

use super::access::View;
use super::reads::MAX_WAIT;
use super::{Error, Service, unavailable};
use crate::auth::Visibility;
use crate::clock::since_boot;
use crate::store::{Reader, StoreError};

/// How many principals' views of the locks are kept.
const MAX_SCOPES: usize = 32;

/// A result stays fresh for at least this long.
const MIN_FRESH: Duration = Duration::from_millis(50);
/// It stays fresh for a multiple of the time it took to compute. The factor is
/// smaller for a cheap one, so that changes show soon.
const CHEAP: Duration = Duration::from_millis(40);
const CHEAP_FACTOR: u32 = 2;
const EXPENSIVE_FACTOR: u32 = 10;
/// How long a failure is cached, so that callers do not pile up on a database
/// that is unavailable.
const FAILURE_CACHED_FOR: Duration = Duration::from_secs(1);

/// The last results `T` for the most recently used sets of resources in sight, each with what the
/// next computation continues from.
#[derive(Debug)]
pub(super) struct Scopes<T, K>(std::sync::Mutex<Recent<T, K>>);

/// The most recently used first.
type Recent<T, K> = VecDeque<(Arc<Visibility>, Arc<Mutex<State<T, K>>>)>;

#[derive(Debug)]
struct State<T, K> {
    last: Option<Computed<T>>,
    kept: Option<K>,
    /// When the last computation failed, if it did.
    failed_at: Option<Duration>,
}

/// A result.
#[derive(Debug)]
pub(super) struct Computed<T> {
    pub(super) result: T,
    /// When its computation began, since boot.
    pub(super) at: Duration,
    took: Duration,
}

impl<T> Computed<T> {
    fn is_fresh(&self, now: Duration) -> bool {
        let factor = if self.took <= CHEAP { CHEAP_FACTOR } else { EXPENSIVE_FACTOR };
        now.saturating_sub(self.at) < self.took + MIN_FRESH.max(self.took * factor)
    }
}

impl<T, K> Default for Scopes<T, K> {
    fn default() -> Self {
        Self(std::sync::Mutex::default())
    }
}

impl<T, K> Scopes<T, K> {
    fn scope(&self, visibility: &Arc<Visibility>) -> Arc<Mutex<State<T, K>>> {
        let mut scopes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = scopes.iter().position(|(scope, _)| scope == visibility);
        let (scope, state) = known.and_then(|at| scopes.remove(at)).unwrap_or_else(|| {
            let state = State { last: None, kept: None, failed_at: None };
            (Arc::clone(visibility), Arc::new(Mutex::new(state)))
        });
        scopes.truncate(MAX_SCOPES - 1);
        scopes.push_front((scope, Arc::clone(&state)));
        state
    }
}

impl Service {
    /// Takes what is needed of the last result, or of a new one if that is not fresh any more.
    /// `compute` gets what the last computation kept.
    pub(super) async fn computed<T: Send + 'static, K: Send + 'static, R: Send + 'static>(
        &self,
        scopes: &Scopes<T, K>,
        mut view: View,
        compute: impl FnOnce(&dyn Reader, &Visibility, Option<K>) -> Result<(T, K), StoreError> + Send + 'static,
        take: impl FnOnce(&Computed<T>) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let visibility = Arc::clone(view.visibility());
        // Callers that arrive during a computation wait for it here.
        let locking = scopes.scope(&visibility).lock_owned();
        let locked = tokio::time::timeout(MAX_WAIT, locking).await;
        let mut state = locked.map_err(|_| unavailable("the summary takes too long to compute"))?;
        let now = since_boot();
        if let Some(last) = state.last.as_ref().filter(|last| last.is_fresh(now)) {
            return Ok(take(last));
        }
        if state.failed_at.is_some_and(|at| now.saturating_sub(at) < FAILURE_CACHED_FOR) {
            return Err(unavailable("the summary could not be computed"));
        }
        // It completes even if its caller hangs up: others wait for it.
        let computing = self.0.access.reads(&view).permit().await?.run(&self.0.background, move |reader| {
            let computed = compute(reader, &visibility, state.kept.take());
            let (result, kept) = computed.inspect_err(|_| state.failed_at = Some(since_boot()))?;
            let last = Computed { result, at: now, took: since_boot().saturating_sub(now) };
            let taken = take(&last);
            *state = State { last: Some(last), kept: Some(kept), failed_at: None };
            Ok(taken)
        });
        computing.await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh_for(took_ms: u64) -> u64 {
        let computed = Computed { result: (), at: Duration::ZERO, took: Duration::from_millis(took_ms) };
        (0..).find(|ms| !computed.is_fresh(Duration::from_millis(*ms))).unwrap()
    }

    #[test]
    fn a_cheap_result_is_refreshed_soon_and_none_costs_over_a_third_of_a_core() {
        assert_eq!(fresh_for(1), 51);
        assert!(fresh_for(30) <= 100, "a page that polls every 150 ms shows a change within 300 ms");
        for took in 1..1_000 {
            assert!(took * 3 <= fresh_for(took), "{took}");
        }
        assert_eq!(fresh_for(500), 5_500);
    }
}
