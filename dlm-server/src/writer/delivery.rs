//! Answers and wakes, once a batch is committed.

use dlm_engine::{Micros, News, Op, Refusal, Reply, Wake};

use super::Core;
use super::batch::{Committed, Task};
use super::job::{Done, Execute, Failure};
use super::log_row::kind;
use super::parked::Waiting;
use crate::store::Name;

impl Core {
    /// Tells everyone, in the order in which it was done: who joined the queue
    /// is parked before a later operation of the batch wakes it.
    pub(super) fn deliver(&mut self, tasks: Vec<Task>, committed: Committed) {
        for (_, event) in &committed.events {
            self.metrics.events(kind(event.kind));
        }
        self.alarm.set(committed.first_check);
        for (task, executed) in tasks.into_iter().zip(committed.executed) {
            let name = match task {
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
                self.wake(&name, &wake);
            }
        }
    }

    fn answer(&mut self, execute: Execute, result: Result<Reply, Refusal>, now: Micros) {
        let Execute { name, op, caller } = execute;
        match (result, op) {
            (Ok(Reply::Queued), Op::Acquire { key, .. }) => {
                self.parked.park(&name, &key, Waiting { caller, first_now: now });
            }
            (Ok(reply), _) => caller.answer(Ok(Done::Reply(reply)), now),
            (Err(refusal), _) => caller.answer(Err(Failure::Refused(refusal)), now),
        }
    }

    fn wake(&mut self, name: &Name, wake: &Wake) {
        for waiting in self.parked.take(name, &wake.key) {
            let outcome = match &wake.news {
                News::Granted(claim) => Ok(Done::Reply(Reply::Lease(claim.clone()))),
                News::Ended(refusal) => Err(Failure::Refused(refusal.clone())),
            };
            waiting.caller.answer(outcome, waiting.first_now);
        }
    }
}
