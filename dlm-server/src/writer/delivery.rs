//! Replies and wakes after the commit.

use dlm_engine::{ClaimKey, Event, EventKind, Micros, Op, Refusal, Reply, WaitOutcome, Wake};
use dlm_protocol::EndReason;

use super::batch::{Committed, Task, TaskOutcome};
use super::job::{Admission, Completion, Execute, OperationError};
use super::parked::ParkedRequest;
use super::replies::Outgoing;
use super::thread::WriterState;
use crate::store::{Name, PeerMessage, event_kind};

impl WriterState {
    /// Sends the replies, wakes and messages of a batch. It goes through the
    /// tasks in order: a request that was queued is parked before a later task
    /// of the batch wakes it. Returns the tasks that are left to a batch that locks.
    pub(super) fn deliver(&mut self, mut tasks: Vec<Task>, committed: Committed) -> Vec<Task> {
        let mut stale = Vec::new();
        self.database_works();
        if let Some((batch, changes)) = &committed.usage {
            self.usage.record(self.store.marker(), *batch, changes);
        }
        end_admissions(&mut tasks, &committed.outcomes);
        for (index, key) in &committed.inherited {
            tasks[*index].inherit(key);
        }
        let mut outgoing = Outgoing::default();
        let mut messages = self.publish(&committed.events);
        self.feed.committed(committed.position, committed.events);
        self.next_check.schedule(committed.follow_up.first_check);
        let me = self.membership.current().local();
        for (task, outcome) in tasks.into_iter().zip(committed.outcomes) {
            let name = Name::clone(task.name());
            let wakes = match outcome {
                TaskOutcome::LockedElsewhere => {
                    self.deferred.push(task);
                    continue;
                }
                TaskOutcome::Stale => {
                    stale.push(task);
                    continue;
                }
                TaskOutcome::Kept { wakes } => {
                    self.kept.push(task);
                    wakes
                }
                TaskOutcome::QuotaExceeded => {
                    if let Task::Execute(execute) = task {
                        self.pace.replied();
                        execute.reply(Err(OperationError::QuotaExceeded), committed.now, &mut outgoing);
                    }
                    continue;
                }
                TaskOutcome::Executed { result, wakes } => {
                    self.complete(task, result, committed.now, &mut outgoing);
                    wakes
                }
            };
            for wake in wakes {
                if let Some(replica) = wake.parked_at.filter(|replica| *replica != me)
                    && let Some(wait) = self.parked.wait_id(&name, &wake.key)
                {
                    messages.push(PeerMessage::WaitEnded { replica, wait });
                }
                self.wake(&name, &wake, &mut outgoing);
            }
        }
        if !messages.is_empty() {
            self.cluster.announce(messages);
        }
        for name in committed.follow_up.unfinished {
            // Any task on the resource goes on with it.
            if !self.kept.contains(&name) && !self.deferred.contains(&name) {
                self.kept.push(Task::Continue(name));
            }
        }
        stale
    }

    fn complete(&mut self, task: Task, result: Result<Reply, Refusal>, now: Micros, outgoing: &mut Outgoing) {
        match task {
            Task::Recheck { name, key, .. } => self.complete_recheck(&name, &key, result, outgoing),
            Task::Execute(execute) => self.reply_or_park(execute, result, now, outgoing),
            Task::Leave(leave) => {
                if let Some((key, parked)) = self.parked.take_request(&leave) {
                    parked.caller.reply(Ok(Completion::StillQueued(key)), parked.first_now, outgoing);
                }
            }
            Task::Continue(_) => {}
        }
    }

    /// Publishes events to the metrics and the lease watchers. Returns the messages for peers.
    fn publish(&self, events: &[(Name, Event)]) -> Vec<PeerMessage> {
        let mut messages = Vec::new();
        for (name, event) in events {
            self.metrics.events(event_kind(event.kind));
            let reason = match event.kind {
                EventKind::Released => EndReason::Released,
                EventKind::Expired => EndReason::Expired,
                EventKind::ForceReleased => EndReason::ForceReleased,
                _ => continue,
            };
            let Some(token) = event.token else { continue };
            self.lease_watchers.ended(name, token, reason);
            if reason != EndReason::Released {
                messages.push(PeerMessage::LeaseEnded { name: Name::clone(name), token, reason });
            }
        }
        messages
    }

    /// Replies to the requests of a rechecked claim, unless it is still queued.
    fn complete_recheck(
        &mut self,
        name: &Name,
        key: &ClaimKey,
        result: Result<Reply, Refusal>,
        outgoing: &mut Outgoing,
    ) {
        let outcome = match result {
            Ok(Reply::Queued) => return,
            Ok(reply) => Ok(reply),
            Err(refusal) => Err(OperationError::Refused(refusal)),
        };
        for parked in self.parked.take(name, key) {
            let outcome = outcome.clone().map(Completion::Reply);
            parked.caller.reply(outcome, parked.first_now, outgoing);
        }
    }

    fn reply_or_park(
        &mut self,
        execute: Execute,
        result: Result<Reply, Refusal>,
        now: Micros,
        outgoing: &mut Outgoing,
    ) {
        let Execute { name, op, caller, .. } = execute;
        if !matches!(result, Ok(Reply::Queued)) {
            self.pace.replied();
        }
        match (result, op) {
            (Ok(Reply::Queued), Op::Acquire { key, request }) => {
                self.parked.park(&name, &key, &request, ParkedRequest::new(caller, now));
            }
            (Ok(reply), op) => {
                if let (Reply::Lease(claim), Op::Renew { .. }) = (&reply, &op) {
                    self.feed.renewed(&name, claim);
                }
                caller.reply(Ok(Completion::Reply(reply)), now, outgoing);
            }
            (Err(refusal), _) => caller.reply(Err(OperationError::Refused(refusal)), now, outgoing),
        }
    }

    fn wake(&mut self, name: &Name, wake: &Wake, outgoing: &mut Outgoing) {
        for parked in self.parked.take(name, &wake.key) {
            self.pace.replied();
            let outcome = match &wake.outcome {
                WaitOutcome::Granted(claim) => Ok(Completion::Reply(Reply::Lease(claim.clone()))),
                WaitOutcome::Ended(refusal) => Err(OperationError::Refused(refusal.clone())),
            };
            parked.caller.reply(outcome, parked.first_now, outgoing);
        }
    }
}

/// Operations that were executed count by what they have changed from now on. This comes before
/// the first reply: its caller may send the next acquire at once.
fn end_admissions(tasks: &mut [Task], outcomes: &[TaskOutcome]) {
    for (task, outcome) in tasks.iter_mut().zip(outcomes) {
        if let (Task::Execute(execute), TaskOutcome::Executed { .. }) = (task, outcome) {
            execute.admission = Admission::UNLIMITED;
        }
    }
}
