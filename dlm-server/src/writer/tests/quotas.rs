//! What operations count for when their callers have a result.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use super::harness::TestWriter;
use crate::store::Names;
use crate::usage::{ClaimLimits, ClaimQuota, RuleId, RuleUsage};

const LIMITS: ClaimLimits = ClaimLimits { max_leases: Some(3), max_waiters: None };

/// Sends the next acquire as soon as there is a result.
struct NextAcquire {
    rule: Arc<RuleUsage>,
    admitted: Mutex<Option<Result<(), ClaimQuota>>>,
}

impl Wake for NextAcquire {
    fn wake(self: Arc<Self>) {
        let admitted = self.rule.admit(LIMITS, false).map(drop);
        self.admitted.lock().unwrap().get_or_insert(admitted);
    }
}

#[test]
fn an_acquire_that_was_executed_counts_once_when_the_first_caller_of_its_batch_has_a_result() {
    let mut writer = TestWriter::new();
    let rule = RuleId { principal: &"".into(), prefix: "", counts_claims: true };
    let rule = writer.usage.of(rule, || Names::All);
    let answers = ["a", "b"].map(|name| {
        let in_flight = rule.admit(LIMITS, false).unwrap();
        writer.acquire_in_flight(name, name, in_flight)
    });
    let next = Arc::new(NextAcquire { rule, admitted: Mutex::default() });
    let waker = Waker::from(Arc::clone(&next));
    let [mut first, mut second] = answers.map(Box::pin);
    for answer in [&mut first, &mut second] {
        assert!(pin!(answer).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    writer.turn();
    let admitted = next.admitted.lock().unwrap().take();
    assert_eq!(admitted, Some(Ok(())), "there are two leases of three");
}
