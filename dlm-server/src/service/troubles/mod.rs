//! Reports troubles to the webhook: locks that are waited for too long, and possible deadlocks.
//!
//! Every replica with a webhook looks for troubles, from the same data, and the first live one
//! reports them. One that becomes the first reports everything that is open, since the one
//! before may not have. So each message is sent at least once, with the same id.

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{BlockedLock, PossibleDeadlock, Timestamp, WaitGraph};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Error, Service, wait_graph};
use crate::clock::since_boot;
use crate::webhook::{Delivery, Webhook, WebhookQueue};

/// Time from one look to the next.
const INTERVAL: Duration = Duration::from_secs(2);
/// The pause after a look, as a multiple of the time that it took.
const REST: u32 = 4;
/// How many troubles of a kind are open at a time; with more, the worst are reported first.
const MAX_OPEN: usize = 100;

impl Service {
    /// Reports troubles to a webhook until the service is closed. Nothing waits for it, and
    /// nothing fails with it.
    pub(crate) fn report_troubles(&self, webhook: Webhook) {
        let long = webhook.trouble_wait;
        let (queue, delivery) = Delivery::new(webhook);
        let stop = self.0.background.stop_token();
        self.0.background.spawn_async(delivery.run(stop.clone()));
        // Not a clone of the service: it would keep itself open.
        let inner = Arc::downgrade(&self.0);
        let via = self.1.clone();
        self.0.background.spawn_async(async move {
            let mut troubles = Troubles::default();
            let mut pause = INTERVAL;
            loop {
                let pausing = tokio::time::sleep(pause);
                if stop.run_until_cancelled(pausing).await.is_none() {
                    return;
                }
                let Some(inner) = inner.upgrade() else { return };
                let service = Self(inner, via.clone());
                let began = since_boot();
                let look = service.look_for_troubles(&mut troubles, long, &queue);
                match stop.run_until_cancelled(look).await {
                    None => return,
                    Some(Ok(())) => {}
                    // Readiness and the metrics say that the store does not respond.
                    Some(Err(error)) => tracing::debug!(%error, "no look for troubles"),
                }
                pause = INTERVAL.max(since_boot().saturating_sub(began) * REST);
            }
        });
    }

    async fn look_for_troubles(
        &self,
        troubles: &mut Troubles,
        long: Duration,
        queue: &WebhookQueue,
    ) -> Result<(), Error> {
        let (membership, limits) = (Arc::clone(&self.0.membership), Arc::clone(&self.0.limits));
        let permit = self.0.access.system().reads().permit_in_turn().await?;
        let read = move |reader: &dyn crate::store::Reader| {
            wait_graph::of_all(reader, &membership.current(), &limits)
        };
        let graph = permit.read(read).await?;
        drop(permit);
        let is_first = self.0.cluster.rank() == 0;
        for message in troubles.update(&graph, long, is_first) {
            queue.push(message);
        }
        Ok(())
    }
}

/// The troubles that are open.
#[derive(Debug, Default)]
struct Troubles {
    open: BTreeMap<String, Open>,
    was_first: bool,
}

#[derive(Debug)]
struct Open {
    began_at: Timestamp,
    trouble: Trouble,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Trouble {
    LongWait { lock: BlockedLock },
    PossibleDeadlock { deadlock: PossibleDeadlock },
}

/// What is sent.
#[derive(Serialize)]
struct Message<'a> {
    event: &'static str,
    id: &'a str,
    at: Timestamp,
    began_at: Timestamp,
    #[serde(flatten)]
    trouble: &'a Trouble,
}

impl Troubles {
    /// Compares what is open with what there is now. Returns the messages, if this replica is the
    /// one that sends them.
    fn update(&mut self, graph: &WaitGraph, long: Duration, is_first: bool) -> Vec<Vec<u8>> {
        let mut found = found(graph, long);
        let has_all_queues = wait_graph::has_all_queues(graph);
        let mut messages = Vec::new();
        let mut report = |event, id: &str, Open { began_at, trouble }: &Open| {
            let message = Message { event, id, at: graph.at, began_at: *began_at, trouble };
            if let (true, Ok(message)) = (is_first, serde_json::to_vec(&message)) {
                messages.push(message);
            }
        };
        self.open.retain(|id, open| {
            if let Some(place) = found.iter().position(|(found, _)| found == id) {
                open.trouble = found.remove(place).1;
                return true;
            }
            // What was left out may still be there.
            let kept = match &open.trouble {
                Trouble::LongWait { lock } => {
                    !has_all_queues && !graph.locks.iter().any(|seen| seen.resource == lock.resource)
                }
                Trouble::PossibleDeadlock { .. } => !graph.complete,
            };
            if !kept {
                report("ended", id, open);
            }
            kept
        });
        if is_first && !self.was_first {
            self.open.iter().for_each(|(id, open)| report("began", id, open));
        }
        self.was_first = is_first;
        for (id, trouble) in found {
            let is_same_kind = |open: &&Open| discriminant(&open.trouble) == discriminant(&trouble);
            if self.open.values().filter(is_same_kind).count() >= MAX_OPEN {
                continue;
            }
            let open = Open { began_at: graph.at, trouble };
            report("began", &id, &open);
            self.open.insert(id, open);
        }
        messages
    }
}

/// The troubles that there are, deadlocks first, each with its id.
fn found(graph: &WaitGraph, long: Duration) -> Vec<(String, Trouble)> {
    let long = i64::try_from(long.as_micros()).unwrap_or(i64::MAX);
    let is_long = |lock: &&BlockedLock| {
        graph.at.as_micros().saturating_sub(lock.oldest_enqueued_at.as_micros()) >= long
    };
    let deadlocks = graph
        .possible_deadlocks
        .iter()
        .map(|deadlock| (deadlock_id(deadlock), Trouble::PossibleDeadlock { deadlock: deadlock.clone() }));
    let waits = graph.locks.iter().filter(is_long).map(|lock| {
        (format!("long_wait:{}", lock.resource.as_str()), Trouble::LongWait { lock: lock.clone() })
    });
    deadlocks.chain(waits).collect()
}

/// The same for a cycle wherever it is read from.
fn deadlock_id(deadlock: &PossibleDeadlock) -> String {
    let holders = deadlock.holders.iter();
    let mut leases: Vec<_> = holders.map(|holder| (holder.resource.as_str(), holder.fencing_token)).collect();
    leases.sort_unstable();
    let mut digest = Sha256::new();
    for (resource, token) in leases {
        digest.update(resource);
        digest.update([0]);
        digest.update(token.get().to_be_bytes());
    }
    let digest = digest.finalize();
    digest[..8].iter().fold("possible_deadlock:".to_owned(), |id, byte| id + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use dlm_protocol::{DeadlockedHolder, FencingToken, Owner, ResourceName};
    use serde_json::{Value, json};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn lock(name: &str, since: i64) -> BlockedLock {
        BlockedLock {
            resource: ResourceName::try_from(name).unwrap(),
            queue_len: 1,
            blocked: 1,
            oldest_enqueued_at: at(since),
            holder_count: 0,
            holders: Vec::new(),
        }
    }

    fn graph(now: i64, locks: Vec<BlockedLock>) -> WaitGraph {
        WaitGraph { at: at(now), complete: true, locks, possible_deadlocks: Vec::new() }
    }

    fn messages(sent: &[Vec<u8>]) -> Vec<Value> {
        sent.iter().map(|message| serde_json::from_slice(message).unwrap()).collect()
    }

    #[test]
    fn long_wait_is_reported_when_it_begins_and_when_it_ends() {
        let mut troubles = Troubles::default();
        assert!(troubles.update(&graph(59, vec![lock("a", 0)]), LONG, true).is_empty());
        let began = messages(&troubles.update(&graph(60, vec![lock("a", 0)]), LONG, true));
        let resource = &began[0]["lock"]["resource"];
        assert_eq!(
            (&began[0]["event"], &began[0]["kind"], resource),
            (&json!("began"), &json!("long_wait"), &json!("a"))
        );
        assert!(troubles.update(&graph(61, vec![lock("a", 0)]), LONG, true).is_empty());
        let ended = messages(&troubles.update(&graph(62, vec![lock("a", 61)]), LONG, true));
        assert_eq!((&ended[0]["event"], &ended[0]["id"]), (&json!("ended"), &began[0]["id"]));
        assert_eq!(ended[0]["began_at"], began[0]["at"]);
        assert!(troubles.update(&graph(63, Vec::new()), LONG, true).is_empty());
    }

    #[test]
    fn trouble_that_was_left_out_has_not_ended() {
        let mut troubles = Troubles::default();
        troubles.update(&graph(60, vec![lock("a", 0)]), LONG, true);
        let others = (0..1_000).map(|number| lock(&number.to_string(), 61)).collect();
        let partly = WaitGraph { complete: false, ..graph(61, others) };
        assert!(troubles.update(&partly, LONG, true).is_empty());
        assert_eq!(troubles.update(&graph(62, Vec::new()), LONG, true).len(), 1);
    }

    #[test]
    fn wait_ends_though_holders_of_another_lock_were_left_out() {
        let mut troubles = Troubles::default();
        troubles.update(&graph(60, vec![lock("a", 0), lock("b", 0)]), LONG, true);
        let partly = |locks| WaitGraph { complete: false, ..graph(61, locks) };
        // One is not waited for any more, the other by somebody who has just come.
        let ended = messages(&troubles.update(&partly(vec![lock("b", 61)]), LONG, true));
        assert_eq!(ended.len(), 2);
        assert!(ended.iter().all(|message| message["event"] == "ended"));
    }

    #[test]
    fn deadlock_is_reported_however_many_wait_long() {
        let mut troubles = Troubles::default();
        let many: Vec<_> = (0..2 * MAX_OPEN).map(|number| lock(&number.to_string(), 0)).collect();
        troubles.update(&graph(60, many.clone()), LONG, true);
        let deadlock = PossibleDeadlock { holders: Vec::new() };
        let graph = WaitGraph { possible_deadlocks: vec![deadlock], ..graph(61, many) };
        let began = messages(&troubles.update(&graph, LONG, true));
        assert_eq!((began.len(), &began[0]["kind"]), (1, &json!("possible_deadlock")));
    }

    #[test]
    fn replica_that_becomes_the_first_reports_what_is_open() {
        let mut troubles = Troubles::default();
        assert!(troubles.update(&graph(60, vec![lock("a", 0)]), LONG, false).is_empty());
        let began = messages(&troubles.update(&graph(61, vec![lock("a", 0)]), LONG, true));
        assert_eq!((began.len(), &began[0]["event"]), (1, &json!("began")));
        assert_eq!(messages(&troubles.update(&graph(62, Vec::new()), LONG, true))[0]["event"], "ended");
    }

    #[test]
    fn number_of_open_troubles_is_bounded() {
        let mut troubles = Troubles::default();
        let many = |now| graph(now, (0..2 * MAX_OPEN).map(|number| lock(&number.to_string(), 0)).collect());
        assert_eq!(troubles.update(&many(60), LONG, true).len(), MAX_OPEN);
        assert!(troubles.update(&many(61), LONG, true).is_empty());
    }

    #[test]
    fn deadlock_has_the_same_id_wherever_its_cycle_begins() {
        let holder = |name: &str, token| DeadlockedHolder {
            resource: ResourceName::try_from(name).unwrap(),
            owner: Owner::default(),
            principal: None,
            fencing_token: FencingToken::new(token),
        };
        let id = |holders| deadlock_id(&PossibleDeadlock { holders });
        assert_eq!(id(vec![holder("a", 1), holder("b", 2)]), id(vec![holder("b", 2), holder("a", 1)]));
        assert_ne!(id(vec![holder("a", 1), holder("b", 2)]), id(vec![holder("a", 1), holder("b", 3)]));
    }
}
