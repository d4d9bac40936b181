//! The troubles that have begun and not ended, and the messages about them.

use std::collections::{BTreeMap, VecDeque};
use std::mem::discriminant;

use dlm_protocol::{Timestamp, WaitGraph};
use serde::Serialize;

use super::found::{Trouble, found};
use crate::service::{TroubleThresholds, wait_graph};

/// How many troubles of a kind are open at a time; with more, the worst are reported first.
pub(super) const MAX_OPEN: usize = 100;
/// A replica that has become the first may not have been told of a failure of the one before
/// for so long, in microseconds: what has ended since is reported again.
const LATELY: i64 = 60_000_000;
/// How many messages wait for a place in the queue of the webhook.
pub(super) const MAX_UNSENT: usize = 6 * MAX_OPEN;

#[derive(Debug, Default)]
pub(super) struct Troubles {
    open: BTreeMap<String, Open>,
    /// What has ended lately, and when.
    ended: Vec<(Timestamp, String, Open)>,
    was_first: bool,
    /// Messages that have no place in the queue of the webhook yet.
    unsent: VecDeque<Vec<u8>>,
}

#[derive(Debug)]
struct Open {
    began_at: Timestamp,
    trouble: Trouble,
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

impl Open {
    fn message(&self, event: &'static str, id: &str, at: Timestamp) -> Option<Vec<u8>> {
        // A document that can't be made has nothing to say: texts and numbers always can.
        serde_json::to_vec(&Message { event, id, at, began_at: self.began_at, trouble: &self.trouble }).ok()
    }

    /// Whether the trouble may still be there though it was not found.
    fn may_remain(&self, graph: &WaitGraph) -> bool {
        match &self.trouble {
            Trouble::LongWait { lock } | Trouble::LongHold { lock } => {
                !wait_graph::has_all_queues(graph)
                    && !graph.locks.iter().any(|seen| seen.resource == lock.resource)
            }
            Trouble::PossibleDeadlock { .. } => !graph.complete,
        }
    }
}

impl Troubles {
    /// Compares what is open with what there is now. What is new has to be sent, if this replica is
    /// the one that reports.
    pub(super) fn update(&mut self, graph: &WaitGraph, thresholds: TroubleThresholds, is_first: bool) {
        let mut found = found(graph, thresholds);
        let mut messages = Vec::new();
        self.ended.retain(|(at, ..)| graph.at.as_micros() - at.as_micros() <= LATELY);
        if is_first && !self.was_first {
            messages.extend(self.open.iter().filter_map(|(id, open)| open.message("began", id, graph.at)));
            messages.extend(self.ended.iter().filter_map(|(at, id, open)| open.message("ended", id, *at)));
        }
        self.was_first = is_first;
        for (id, mut open) in std::mem::take(&mut self.open) {
            if let Some(place) = found.iter().position(|(found, _)| *found == id) {
                open.trouble = found.remove(place).1;
                self.open.insert(id, open);
            } else if open.may_remain(graph) {
                self.open.insert(id, open);
            } else {
                messages.extend(open.message("ended", &id, graph.at));
                self.ended.push((graph.at, id, open));
            }
        }
        for (id, trouble) in found {
            let is_same_kind = |open: &&Open| discriminant(&open.trouble) == discriminant(&trouble);
            if self.open.values().filter(is_same_kind).count() >= MAX_OPEN {
                continue;
            }
            let open = Open { began_at: graph.at, trouble };
            messages.extend(open.message("began", &id, graph.at));
            // It is there again.
            self.ended.retain(|(_, ended, _)| *ended != id);
            self.open.insert(id, open);
        }
        match is_first {
            true => self.unsent.extend(messages),
            false => self.unsent.clear(),
        }
    }

    /// Hands over messages, in order, until one has no place; it stays for the next time. Returns how
    /// many were dropped because there are too many.
    pub(super) fn send(&mut self, mut push: impl FnMut(Vec<u8>) -> Result<(), Vec<u8>>) -> usize {
        while let Some(message) = self.unsent.pop_front() {
            if let Err(message) = push(message) {
                self.unsent.push_front(message);
                break;
            }
        }
        let dropped = self.unsent.len().saturating_sub(MAX_UNSENT);
        self.unsent.truncate(MAX_UNSENT);
        dropped
    }
}
