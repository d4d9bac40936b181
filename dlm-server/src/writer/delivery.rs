//! Answers and wakes, once a batch is committed.

use dlm_engine::{ClaimKey, Micros, News, Op, Refusal, Reply, Wake};

use super::Core;
use super::batch::{Committed, Task};
use super::job::{Done, Execute, Failure};
use super::log_row::kind;
use super::parked::Waiting;
use crate::store::{EndedWait, Name};

impl Core {
    /// Tells everyone, in the order in which it was done: who joined the queue
    /// is parked before a later operation of the batch wakes it.
    pub(super) fn deliver(&mut self, tasks: Vec<Task>, committed: Committed) {
        for (_, event) in &committed.events {
            self.metrics.events(kind(event.kind));
        }
        self.alarm.set(committed.first_check);
        let me = self.members.current().me();
        let mut elsewhere = Vec::new();
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
                    if let Some(waiting) = self.parked.take_one(&leave.name, &leave.key, leave.request) {
                        waiting.caller.answer(Ok(Done::StillQueued), waiting.first_now);
                    }
                    leave.name
                }
            };
            for wake in executed.wakes {
                if let Some(replica) = wake.parked_at.filter(|replica| *replica != me) {
                    elsewhere.push(EndedWait { replica, name: Name::clone(&name), key: wake.key.clone() });
                }
                self.wake(&name, &wake);
            }
        }
        if !elsewhere.is_empty() {
            self.cluster.announce(elsewhere);
        }
    }

    /// Answers those who wait for a claim that was looked at again.
    fn recheck(&self, name: &Name, key: &ClaimKey, result: Result<Reply, Refusal>) {
        let outcome = match result {
            Ok(Reply::Queued) => return,
            Ok(reply) => Ok(reply),
            Err(refusal) => Err(Failure::Refused(refusal)),
        };
        for waiting in self.parked.take(name, key) {
            waiting.caller.answer(outcome.clone().map(Done::Reply), waiting.first_now);
        }
    }

    fn answer(&self, execute: Execute, result: Result<Reply, Refusal>, now: Micros) {
        let Execute { name, op, caller } = execute;
        match (result, op) {
            (Ok(Reply::Queued), Op::Acquire { key, request }) => {
                self.parked.park(&name, &key, &request, Waiting { caller, first_now: now });
            }
            (Ok(reply), _) => caller.answer(Ok(Done::Reply(reply)), now),
            (Err(refusal), _) => caller.answer(Err(Failure::Refused(refusal)), now),
        }
    }

    fn wake(&self, name: &Name, wake: &Wake) {
        for waiting in self.parked.take(name, &wake.key) {
            let outcome = match &wake.news {
                News::Granted(claim) => Ok(Done::Reply(Reply::Lease(claim.clone()))),
                News::Ended(refusal) => Err(Failure::Refused(refusal.clone())),
            };
            waiting.caller.answer(outcome, waiting.first_now);
        }
    }
}
