//! A store whose tables follow at random, which is killed and loses its connection, beside
//! one whose tables are up to date after each batch.

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::{ClaimKey, KnowsKey, Micros, Mode, Op, Request};

use super::node::{End, Node, Outcome};
use super::reads::{self, Readers, everything};
use crate::random::{Random, rounds};
use crate::store::sqlite::journal::apply::Budget;
use crate::store::sqlite::reader::SqliteReader;
use crate::store::{ClaimRowKey, Housekeeping, KeyDeletion, Name, Store};

const ROUNDS: usize = 6;
const BATCHES: usize = 150;
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

struct World {
    random: Random,
    now: Micros,
    tested: Node,
    readers: Readers,
    /// Its tables are up to date after each batch.
    model: Node,
    model_reader: SqliteReader,
    keys: Vec<(Name, ClaimKey)>,
    /// In the newest key that begins with the time.
    time: u64,
    granted: Vec<(Name, ClaimKey, u64)>,
}

impl World {
    fn op(&mut self) -> (Name, Op) {
        let known = self.random.below(self.keys.len() as u64 + 1) as usize;
        let known = self.keys.get(known).cloned();
        let lease = self.random.below(self.granted.len() as u64 + 1) as usize;
        let lease = self.granted.get(lease).cloned();
        let kind = self.random.below(100);
        match (kind, known, lease) {
            (0..=14, Some((name, key)), _) => self.acquire(name, key),
            (15..=24, Some((name, key)), _) => (name, Op::Cancel { key }),
            (25..=32, Some((name, key)), _) => {
                let knows_key = self.random.pick(&[KnowsKey::Yes, KnowsKey::No]);
                (name, Op::Leave { key, knows_key })
            }
            (33..=52, _, Some((name, key, token))) => (name, Op::Release { key, token }),
            (53..=62, _, Some((name, key, token))) => (name, Op::Renew { key, token, ttl_ms: None }),
            (63..=67, _, Some((name, _, token))) => {
                (name, Op::ForceRelease { token, reason: "reason".into(), by: None })
            }
            (68..=74, _, _) => {
                let name = Name::from(self.random.pick(&NAMES));
                let waiters = self.keys.iter().filter(|(of, _)| *of == name).map(|(_, key)| key.clone());
                let waiters = waiters.collect();
                (name, Op::Sweep { waiters })
            }
            _ => {
                let name = Name::from(self.random.pick(&NAMES));
                let principal = self.random.pick(&["", "p"]);
                let number = self.random.below(1_000_000);
                // Most begin with the time, and nearly in this order.
                self.time += 1;
                let time = self.time + self.random.below(4);
                let key = match self.random.below(4) {
                    0 => format!("k{number}"),
                    _ => format!("0190{time:04x}-0000-7000-8000-{number:012}"),
                };
                let key = ClaimKey::new(principal, key);
                self.keys.push((Name::clone(&name), key.clone()));
                self.acquire(name, key)
            }
        }
    }

    fn acquire(&mut self, name: Name, key: ClaimKey) -> (Name, Op) {
        // A repeat must have the same parameters, so they follow from the key.
        let seed = key.key.bytes().map(u64::from).sum::<u64>();
        let request = Request {
            mode: if seed.is_multiple_of(3) { Mode::Shared } else { Mode::Exclusive },
            ttl_ms: 50 + 100 * (seed % 7),
            wait_ms: [0, 100, 1_000, 1_000][seed as usize % 4],
            owner: Arc::clone(&key.key),
            metadata: "{}".into(),
        };
        (name, Op::Acquire { key, request: Arc::new(request) })
    }

    fn batch(&mut self) {
        self.now = self.now.plus_ms(self.random.pick(&[0, 1, 10, 40]));
        let ops: Vec<_> = (0..=self.random.below(6)).map(|_| self.op()).collect();
        let end = self.random.pick(&[
            End::Commit,
            End::Commit,
            End::Commit,
            End::Commit,
            End::RollBack,
            End::CommitUnclear,
            End::RollBackUnclear,
        ]);
        let outcome = self.tested.batch(self.now, &ops, end);
        let committed = if outcome.is_some() { End::Commit } else { End::RollBack };
        let expected = self.model.batch(self.now, &ops, committed);
        self.model.store.finish().unwrap();
        assert_eq!(outcome, expected, "{ops:?}");
        if let Some(Outcome { granted, .. }) = outcome {
            self.granted.extend(granted);
        }
        // What ended long ago is uninteresting.
        self.keys.drain(..self.keys.len().saturating_sub(40));
        self.granted.drain(..self.granted.len().saturating_sub(20));
    }

    fn apply(&mut self) {
        let budget = Budget {
            until: self.random.pick(&[i64::MAX, i64::MAX, self.tested.store.last_batch - 2]),
            claims: self.random.pick(&[1, 2, 5, usize::MAX]),
            rows: self.random.pick(&[0, 1, 3, usize::MAX]),
            time: Duration::MAX,
        };
        let is_unclear = self.random.below(4) == 0;
        self.tested.apply(budget, is_unclear);
    }

    /// Deletes what ended a while ago, from all tables.
    fn collect_garbage(&mut self) {
        let last = ClaimRowKey { resource: "z".into(), principal: "z".into(), key: "z".into() };
        let cutoff = Micros(self.now.0 - self.random.pick(&[0, 50_000, 300_000]));
        let deletion = KeyDeletion { after: None, last, cutoff };
        let deleted = self.tested.store.delete_keys(&deletion).unwrap();
        assert_eq!(deleted, self.model.store.delete_keys(&deletion).unwrap());
    }

    /// The history of each resource has all of its events, and is found without a search.
    fn read_histories(&mut self) {
        for name in NAMES {
            let history = self.tested.history(name);
            assert_eq!(history, self.model.positions_with_events(name), "{name}");
        }
    }

    /// Readers must not see which tables are up to date.
    fn read(&mut self) {
        let names: Vec<Name> = NAMES.into_iter().chain(["never used"]).map(Name::from).collect();
        let read = |reader: &SqliteReader| everything(reader, &names, &self.keys, self.now);
        let expected = read(&self.model_reader);
        self.readers.check(&self.tested, &mut self.random, &expected, read);
    }

    fn step(mut self) -> Self {
        match self.random.below(100) {
            0..=54 => self.batch(),
            55..=59 => self.read_histories(),
            60..=83 => self.apply(),
            84..=93 => {
                // Both, since a resource that was loaded may be checked at another time.
                let name = Name::from(self.random.pick(&NAMES));
                self.tested.evict(&name);
                self.model.evict(&name);
            }
            94..=96 => self.collect_garbage(),
            _ => {
                drop(self.readers);
                self.tested = self.tested.restart();
                self.readers = Readers::of(&self.tested);
                self.model.evict_all();
            }
        }
        self
    }
}

#[test]
fn tables_that_follow_at_random_end_like_tables_that_follow_at_once() {
    let mut random = Random::from_environment();
    for _ in 0..rounds(ROUNDS) {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let tested = Node::open(path("tested.db"));
        let model = Node::open(path("model.db"));
        let mut world = World {
            random: random.fork(),
            now: Micros(1_000_000_000),
            readers: Readers::of(&tested),
            tested,
            model_reader: reads::one(&model),
            model,
            keys: Vec::new(),
            time: 0,
            granted: Vec::new(),
        };
        for _ in 0..BATCHES {
            world = world.step();
            if world.random.below(3) == 0 {
                world.read();
            }
        }
        world.read_histories();
        assert_eq!(world.tested.dump(), world.model.dump());
    }
}
