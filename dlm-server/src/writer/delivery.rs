//! Answers and wakes, once a batch is committed.

use dlm_engine::{ClaimKey, Event, EventKind, Micros, Op, Refusal, Reply, WaitOutcome, Wake};
use dlm_protocol::EndReason;

use super::batch::{Committed, Task};
use super::job::{Completion, Execute, OperationError};
use super::parked::ParkedRequest;
use super::thread::WriterState;
use crate::log::event_kind;
use crate::store::{Name, PeerMessage};

impl WriterState {
    /// Tells everyone, in the order in which it was done: who joined the queue
    /// is parked before a later operation of the batch wakes it.
    pub(super) fn deliver(&mut self, tasks: Vec<Task>, committed: Committed) {
        let mut messages = self.tell_of(&committed.events);
        self.next_check.schedule(committed.first_check);
        let me = self.membership.current().local();
        for (task, executed) in tasks.into_iter().zip(committed.executed) {
            let Some(executed) = executed else {
                self.deferred.push(task);
                continue;
            };
            let name = match task {
                Task::Recheck { name, key, .. } => {
                    self.recheck(&name, &key, executed.result);
                    name
                }
                Task::Execute(execute) => {
                    let name = Name::clone(&execute.name);
                    self.answer(execute, executed.result, committed.now);
                    name
                }
                Task::Leave(leave) => {
                    if let Some(waiting) = self.parked.take_one(&leave) {
                        waiting.caller.reply(Ok(Completion::StillQueued), waiting.first_now);
                    }
                    leave.name
                }
            };
            for wake in executed.wakes {
                if let Some(replica) = wake.parked_at.filter(|replica| *replica != me) {
                    messages.push(PeerMessage::WaitEnded {
                        replica,
                        name: Name::clone(&name),
                        key: wake.key.clone(),
                    });
                }
                self.wake(&name, &wake);
            }
        }
        if !messages.is_empty() {
            self.cluster.announce(messages);
        }
    }

    /// Tells of what happened: those who count and those who follow, and the
    /// holders whose lease ended. Returns what other replicas have to know.
    fn tell_of(&self, events: &[(Name, Event)]) -> Vec<PeerMessage> {
        if !events.is_empty() {
            self.feed.wake();
        }
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

    /// Answers those who wait for a claim that was looked at again.
    fn recheck(&mut self, name: &Name, key: &ClaimKey, result: Result<Reply, Refusal>) {
        let outcome = match result {
            Ok(Reply::Queued) => return,
            Ok(reply) => Ok(reply),
            Err(refusal) => Err(OperationError::Refused(refusal)),
        };
        for waiting in self.parked.take(name, key) {
            waiting.caller.reply(outcome.clone().map(Completion::Reply), waiting.first_now);
        }
    }

    fn answer(&mut self, execute: Execute, result: Result<Reply, Refusal>, now: Micros) {
        let Execute { name, op, caller } = execute;
        self.answered += usize::from(!matches!(result, Ok(Reply::Queued)));
        match (result, op) {
            (Ok(Reply::Queued), Op::Acquire { key, request }) => {
                self.parked.park(&name, &key, &request, ParkedRequest { caller, first_now: now });
            }
            (Ok(reply), op) => {
                if let (Reply::Lease(claim), Op::Renew { .. }) = (&reply, &op) {
                    self.feed.renewed(&name, claim);
                }
                caller.reply(Ok(Completion::Reply(reply)), now);
            }
            (Err(refusal), _) => caller.reply(Err(OperationError::Refused(refusal)), now),
        }
    }

    fn wake(&mut self, name: &Name, wake: &Wake) {
        for waiting in self.parked.take(name, &wake.key) {
            self.answered += 1;
            let outcome = match &wake.outcome {
                WaitOutcome::Granted(claim) => Ok(Completion::Reply(Reply::Lease(claim.clone()))),
                WaitOutcome::Ended(refusal) => Err(OperationError::Refused(refusal.clone())),
            };
            waiting.caller.reply(outcome, waiting.first_now);
        }
    }
}
