//! Random jobs and random faults, compared with what is stored in the end.

use std::collections::{HashMap, HashSet};

use dlm_engine::{Claim, ClaimKey, KnowsKey, Op, Reply};

use super::harness::{Answer, StoredClaim, TestWriter, acquire};
use super::scripted_store::{Fault, Step};
use crate::random::{Random, rounds};
use crate::store::Name;
use crate::writer::job::{Completion, Job, OperationError, RequestId};

const ROUNDS: usize = 6;
const STEPS: usize = 400;
const NAMES: [&str; 3] = ["a", "b", "c"];

/// An acquire and its caller.
struct Acquire {
    name: &'static str,
    key: String,
    /// Who sent it.
    claim: ClaimKey,
    session: Option<u64>,
    wait_ms: u64,
    knows_key: KnowsKey,
    request: RequestId,
    answer: Answer,
    outcome: Option<Result<Completion, OperationError>>,
    left: bool,
}

struct World {
    writer: TestWriter,
    random: Random,
    acquires: Vec<Acquire>,
    /// The other operations, with the key and token of the lease that they release.
    others: Vec<(Answer, Option<(String, u64)>)>,
}

impl World {
    fn acquire(&mut self, name: &'static str, key: String, wait_ms: u64, knows_key: KnowsKey) {
        let session = Some(self.random.below(3)).filter(|session| *session > 0);
        let claim = self.writer.key(&key);
        let (request, answer) = self.writer.execute(name, session, acquire(claim.clone(), wait_ms));
        let (outcome, left) = (None, false);
        self.acquires.push(Acquire {
            name,
            key,
            claim,
            session,
            wait_ms,
            knows_key,
            request,
            answer,
            outcome,
            left,
        });
    }

    fn new_acquire(&mut self) {
        let name = self.random.pick(&NAMES);
        let wait_ms = self.random.pick(&[0, 5, 3_600_000, 3_600_000]);
        let knows_key = self.random.pick(&[KnowsKey::Yes, KnowsKey::Yes, KnowsKey::No]);
        self.acquire(name, format!("k{}", self.acquires.len()), wait_ms, knows_key);
    }

    /// An acquire whose caller knows its key.
    fn some_keyed(&mut self) -> Option<usize> {
        let index = self.random.below(self.acquires.len().max(1) as u64) as usize;
        let acquire = self.acquires.get(index)?;
        (acquire.knows_key == KnowsKey::Yes).then_some(index)
    }

    fn repeat(&mut self) {
        let Some(index) = self.some_keyed() else { return };
        let Acquire { name, key, wait_ms, .. } = &self.acquires[index];
        self.acquire(name, key.clone(), *wait_ms, KnowsKey::Yes);
    }

    /// The caller of an acquire hangs up, or its hold ends.
    fn leave(&mut self) {
        let open: Vec<usize> = (0..self.acquires.len())
            .filter(|index| self.acquires[*index].outcome.is_none() && !self.acquires[*index].left)
            .collect();
        if open.is_empty() {
            return;
        }
        let acquire = &mut self.acquires[self.random.pick(&open)];
        acquire.left = true;
        let claim = acquire.claim.clone();
        self.writer.leave_of(claim, acquire.name, Some(acquire.request), acquire.knows_key);
    }

    fn cancel(&mut self) {
        let Some(index) = self.some_keyed() else { return };
        let Acquire { name, key, .. } = &self.acquires[index];
        let session = Some(self.random.below(3)).filter(|session| *session > 0);
        let op = Op::Cancel { key: self.writer.key(key) };
        self.others.push((self.writer.execute(name, session, op).1, None));
    }

    /// Releases or renews a lease.
    fn use_lease(&mut self, release: bool) {
        let leases: Vec<(&'static str, ClaimKey, u64)> = self
            .acquires
            .iter()
            .filter_map(|acquire| Some((acquire.name, granted(acquire)?.key.clone(), lease(acquire)?)))
            .collect();
        if leases.is_empty() {
            return;
        }
        let (name, key, token) = &leases[self.random.below(leases.len() as u64) as usize];
        let claim_key = key.clone();
        let op = match release {
            true => Op::Release { key: claim_key, token: *token },
            false => Op::Renew { key: claim_key, token: *token, ttl_ms: None },
        };
        let answer = self.writer.execute(name, None, op).1;
        self.others.push((answer, release.then(|| (key.key.to_string(), *token))));
    }

    fn recheck(&mut self) {
        let Some(index) = self.some_keyed() else { return };
        let Acquire { name, claim, .. } = &self.acquires[index];
        let job = Job::Recheck(Name::from(*name), claim.clone());
        self.writer.inbox.push(job).unwrap();
    }

    fn fault(&mut self) {
        let (step, fault) = self.random.pick(&[
            (Step::Begin, Fault::Unavailable),
            (Step::Begin, Fault::Slow),
            (Step::Lock, Fault::Unavailable),
            (Step::Lock, Fault::NotCommitted),
            (Step::Write, Fault::KeyExists),
            (Step::Write, Fault::Rejected),
            (Step::Write, Fault::NotCommitted),
            (Step::Write, Fault::Unavailable),
            (Step::Commit, Fault::AppliedUnclear),
            (Step::Commit, Fault::AppliedUnclear),
            (Step::Commit, Fault::Unavailable),
            (Step::Commit, Fault::Slow),
            (Step::LastBatch, Fault::Unavailable),
        ]);
        self.writer.script.add(step, fault);
        for _ in 0..self.random.pick(&[0, 0, 10]) {
            self.writer.script.add(Step::Reconnect, Fault::Unavailable);
        }
    }

    /// Receives what has been answered, as the service does.
    fn receive(&mut self) {
        for acquire in &mut self.acquires {
            if acquire.outcome.is_some() {
                continue;
            }
            match acquire.answer.try_recv() {
                Ok(answered) => {
                    let tracked = acquire.wait_ms > 0 || acquire.knows_key == KnowsKey::No;
                    if tracked && matches!(answered.outcome, Err(OperationError::Unavailable(_))) {
                        let claim = acquire.claim.clone();
                        self.writer.leave_of(claim, acquire.name, None, acquire.knows_key);
                    }
                    acquire.outcome = Some(answered.outcome);
                }
                Err(error) => assert!(
                    error == tokio::sync::oneshot::error::TryRecvError::Empty,
                    "an acquire was dropped without an answer"
                ),
            }
        }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..=29 => self.new_acquire(),
            30..=37 => self.repeat(),
            38..=45 => self.leave(),
            46..=51 => self.cancel(),
            52..=61 => self.use_lease(true),
            62..=64 => self.use_lease(false),
            65..=67 => self.recheck(),
            68..=70 => self.writer.sweep(),
            71..=76 => self.fault(),
            77..=79 => {
                let (name, batches) = (self.random.pick(&NAMES), self.random.pick(&[1, 2, 3]));
                self.writer.script.lock_elsewhere(name, batches);
            }
            _ => {
                self.writer.turn();
                self.receive();
            }
        }
    }

    /// From now on a principal sends that inherits what there is.
    fn turn_authentication_on(&mut self) {
        self.writer.script.clear();
        self.writer.finish();
        self.receive();
        self.writer.finish();
        self.writer.send_as("p");
    }

    /// Lets the database work, and everything end that ends by itself.
    fn finish(&mut self) {
        self.writer.script.clear();
        for _ in 0..10 {
            self.writer.finish();
            self.receive();
            self.writer.sweep();
        }
        self.writer.finish();
        self.receive();
    }

    fn check(&mut self) {
        let claims = self.writer.claims();
        self.check_answers(&claims);
        self.check_waiters(&claims);
        let live: Vec<&str> =
            claims.iter().filter(|claim| claim.is_live()).map(|claim| &*claim.resource).collect();
        assert_eq!(live.iter().collect::<HashSet<_>>().len(), live.len(), "two exclusive leases");
        self.check_order();
    }

    /// The answers agree with what is stored.
    fn check_answers(&mut self, claims: &[StoredClaim]) {
        let stored: HashMap<(&str, &str), &StoredClaim> =
            claims.iter().map(|claim| ((&*claim.resource, &*claim.key), claim)).collect();
        for acquire in &self.acquires {
            let claim = stored.get(&(acquire.name, &*acquire.key));
            if let Some(token) = lease(acquire) {
                assert_eq!(claim.unwrap().token, Some(token as i64), "{claim:?}");
            }
            if acquire.left && acquire.knows_key == KnowsKey::No {
                let gone = claim.is_none_or(|claim| !claim.is_live() && claim.ticket.is_none());
                assert!(gone, "nobody knows the key of {claim:?}");
            }
        }
        for (answer, released) in &mut self.others {
            let outcome = answer.try_recv().expect("every caller is answered").outcome;
            if let (Ok(Completion::Reply(Reply::Released(token))), Some((key, of))) = (outcome, released) {
                assert_eq!(token, *of);
                let claim = claims.iter().find(|claim| claim.key == *key).unwrap();
                assert!(!claim.is_live(), "the release of {claim:?} was answered");
            }
        }
    }

    /// An acquire is unanswered exactly if its claim waits, and a claim counts as parked
    /// exactly if a request of it is open.
    fn check_waiters(&self, claims: &[StoredClaim]) {
        let unanswered: HashSet<(&str, &str)> = self
            .acquires
            .iter()
            .filter(|acquire| acquire.outcome.is_none())
            .map(|acquire| (acquire.name, &*acquire.key))
            .collect();
        let here = |claim: &&StoredClaim| claim.is_parked() && claim.replica == Some(self.writer.replica);
        let waiting: HashSet<(&str, &str)> =
            claims.iter().filter(here).map(|claim| (&*claim.resource, &*claim.key)).collect();
        assert_eq!(unanswered, waiting, "unanswered acquires, and claims that are parked");
        let parked = self.writer.parked.all();
        let parked: HashSet<(&str, &str)> = parked.iter().map(|(name, key)| (&**name, &*key.key)).collect();
        assert_eq!(parked, waiting);
    }

    /// The acquires of a session on a resource were executed in the order in which they
    /// were sent, as far as the log tells.
    fn check_order(&self) {
        let mut sent = HashMap::<&str, usize>::new();
        for acquire in &self.acquires {
            *sent.entry(&acquire.key).or_default() += 1;
        }
        let events = self.writer.events();
        for name in NAMES {
            for session in [1, 2] {
                let first_event = |acquire: &&Acquire| {
                    events.iter().position(|event| event.resource == name && event.owner == acquire.key)
                };
                let executed: Vec<usize> = self
                    .acquires
                    .iter()
                    .filter(|acquire| acquire.name == name && acquire.session == Some(session))
                    // A repeat may have been executed instead of the first.
                    .filter(|acquire| sent[&*acquire.key] == 1)
                    .filter_map(|acquire| first_event(&acquire))
                    .collect();
                assert!(executed.is_sorted(), "session {session} on {name}: {executed:?}");
            }
        }
    }
}

/// The claim whose lease the caller was sent.
fn granted(acquire: &Acquire) -> Option<&Claim> {
    match acquire.outcome.as_ref()? {
        Ok(Completion::Reply(Reply::Lease(claim))) => Some(claim),
        _ => None,
    }
}

/// The token of the lease that the caller was sent.
fn lease(acquire: &Acquire) -> Option<u64> {
    granted(acquire)?.lease().map(|lease| lease.token)
}

#[test]
fn callers_are_answered_and_nobody_waits_for_nothing_whatever_fails() {
    let mut random = Random::from_environment();
    for _ in 0..rounds(ROUNDS) {
        let (writer, round) = (TestWriter::new(), random.fork());
        let mut world = World { writer, random: round, acquires: Vec::new(), others: Vec::new() };
        let authenticated_from = world.random.below(2 * STEPS as u64) as usize;
        for step in 0..STEPS {
            if step == authenticated_from {
                world.turn_authentication_on();
            }
            world.step();
        }
        world.finish();
        world.check();
    }
}
