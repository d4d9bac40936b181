//! Answers and wakes, once a batch is committed.

use dlm_engine::{ClaimKey, Event, EventKind, Micros, Op, Refusal, Reply, WaitOutcome, Wake};
use dlm_protocol::EndReason;

use super::batch::{Committed, Task};
use super::job::{Done, Execute, Failure};
use super::log_row::kind;
use super::parked::Waiting;
use super::thread::Core;
use crate::store::{Name, Word};

impl Core {
    /// Tells everyone, in the order in which it was done: who joined the queue
    /// is parked before a later operation of the batch wakes it.
    pub(super) fn deliver(&mut self, tasks: Vec<Task>, committed: Committed) {
        let mut words = self.tell_of(&committed.events);
        self.alarm.set(committed.first_check);
        let me = self.members.current().local();
        for (task, executed) in tasks.into_iter().zip(committed.executed) {
            let Some(executed) = executed else {
                self.put_off.push(task);
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
                        waiting.caller.answer(Ok(Done::StillQueued), waiting.first_now);
                    }
                    leave.name
                }
            };
            for wake in executed.wakes {
                if let Some(replica) = wake.parked_at.filter(|replica| *replica != me) {
                    words.push(Word::WaitEnded { replica, name: Name::clone(&name), key: wake.key.clone() });
                }
                self.wake(&name, &wake);
            }
        }
        if !words.is_empty() {
            self.cluster.announce(words);
        }
    }

    /// Tells of what happened: those who count and those who follow, and the
    /// holders whose lease ended. Returns what other replicas have to know.
    fn tell_of(&self, events: &[(Name, Event)]) -> Vec<Word> {
        if !events.is_empty() {
            self.feed.poke();
        }
        let mut words = Vec::new();
        for (name, event) in events {
            self.metrics.events(kind(event.kind));
            let reason = match event.kind {
                EventKind::Released => EndReason::Released,
                EventKind::Expired => EndReason::Expired,
                EventKind::ForceReleased => EndReason::ForceReleased,
                _ => continue,
            };
            let Some(token) = event.token else { continue };
            self.holders.ended(name, token, reason);
            if reason != EndReason::Released {
                words.push(Word::LeaseEnded { name: Name::clone(name), token, reason });
            }
        }
        words
    }

    /// Answers those who wait for a claim that was looked at again.
    fn recheck(&mut self, name: &Name, key: &ClaimKey, result: Result<Reply, Refusal>) {
        let outcome = match result {
            Ok(Reply::Queued) => return,
            Ok(reply) => Ok(reply),
            Err(refusal) => Err(Failure::Refused(refusal)),
        };
        for waiting in self.parked.take(name, key) {
            waiting.caller.answer(outcome.clone().map(Done::Reply), waiting.first_now);
        }
    }

    fn answer(&mut self, execute: Execute, result: Result<Reply, Refusal>, now: Micros) {
        let Execute { name, op, caller } = execute;
        self.answered += usize::from(!matches!(result, Ok(Reply::Queued)));
        match (result, op) {
            (Ok(Reply::Queued), Op::Acquire { key, request }) => {
                self.parked.park(&name, &key, &request, Waiting { caller, first_now: now });
            }
            (Ok(reply), op) => {
                if let (Reply::Lease(claim), Op::Renew { .. }) = (&reply, &op) {
                    self.feed.renewed(&name, claim);
                }
                caller.answer(Ok(Done::Reply(reply)), now);
            }
            (Err(refusal), _) => caller.answer(Err(Failure::Refused(refusal)), now),
        }
    }

    fn wake(&mut self, name: &Name, wake: &Wake) {
        for waiting in self.parked.take(name, &wake.key) {
            self.answered += 1;
            let outcome = match &wake.outcome {
                WaitOutcome::Granted(claim) => Ok(Done::Reply(Reply::Lease(claim.clone()))),
                WaitOutcome::Ended(refusal) => Err(Failure::Refused(refusal.clone())),
            };
            waiting.caller.answer(outcome, waiting.first_now);
        }
    }
}
