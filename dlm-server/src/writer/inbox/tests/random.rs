//! The order of jobs, as properties of random jobs.

use std::collections::HashMap;
use std::sync::Arc;

use dlm_engine::{ClaimKey, Op};

use super::super::{Inbox, order_tag};
use super::{Answer, acquire, acquire_of, cancel, execute, leave, number, renew, take, take_numbers};
use crate::random::{Random, rounds};
use crate::writer::job::{Execute, Job, OperationError, OperationResult, Unexecuted};

/// A job of the random test, as the naive model keeps it.
struct Sent {
    tags: Vec<order_tag::OrderTag>,
    session: Option<u64>,
    is_cancel: bool,
    is_acquire: bool,
}

impl Sent {
    /// Whether this is a cancel that an acquire with its key is put behind.
    fn passes(&self, acquire: &Self) -> bool {
        let of_session = self.session.is_some() && self.session == acquire.session;
        let key = |tag: &&order_tag::OrderTag| matches!(tag, order_tag::OrderTag::Key(..));
        self.is_cancel
            && acquire.is_acquire
            && !of_session
            && self.tags.iter().find(key) == acquire.tags.iter().find(key)
    }
}

/// A job of one of these principals, with a session of the principal or none.
fn random_job(random: &mut Random, number: u64, name: &str) -> (Job, Answer) {
    let principal = ["p", "q"][random.below(2) as usize];
    let key = ClaimKey::new(principal, format!("k{}", random.below(4)));
    let session = Some(random.below(4)).filter(|session| *session > 0);
    let session = session.map(|session| session * 2 + u64::from(principal == "p"));
    let op = match random.below(8) {
        0..=4 => acquire_of(principal, &key.key),
        5 => Op::Cancel { key },
        6 => Op::Renew { key, token: 1, ttl_ms: None },
        _ => Op::Sweep { waiters: Vec::new() },
    };
    let (mut job, answer) = execute(number, name, session, op);
    if let Job::Execute(execute) = &mut job {
        execute.sender = Some(principal.into());
    }
    (job, answer)
}

/// The naive model: all jobs in the order of their arrival. Jobs that share a tag must
/// come out in that order, each of them once, unless a leave withdraws its acquire or a
/// cancel passes an acquire with its key of another session. Each of two resources has an inbox, of which
/// one is lent to the other from time to time.
#[test]
fn jobs_with_a_tag_in_common_stay_in_order() {
    let mut random = Random::from_environment();
    for _ in 0..rounds(300) {
        let inboxes: [Arc<Inbox>; 2] = Default::default();
        let mut is_lent = false;
        let mut sent: HashMap<u64, Sent> = HashMap::new();
        let mut answers: HashMap<u64, Answer> = HashMap::new();
        let mut taken: Vec<u64> = Vec::new();
        let mut take_some = |inbox: &Inbox, room| {
            let jobs = take(inbox, room);
            assert!(jobs.len() <= room);
            taken.extend(jobs.iter().filter(|job| matches!(job, Job::Execute(_))).map(number));
        };
        for number in 1..=random.below(60) {
            let index = random.below(2) as usize;
            let (name, inbox) = (["a", "b"][index], &inboxes[index]);
            match random.below(11) {
                0 => take_some(&inboxes[random.below(2) as usize], random.below(12) as usize),
                1 => {
                    assert!(match is_lent {
                        true => inboxes[1].take_back(|job| job.name().is_some_and(|name| **name == *"b")),
                        false => inboxes[1].lend(&inboxes[0]),
                    });
                    is_lent = !is_lent;
                }
                2 => {
                    let (request, key) = (random.below(number), format!("k{}", random.below(4)));
                    let unexecuted = random.pick(&[Unexecuted::Withdraw, Unexecuted::Execute]);
                    let mut job = leave(name, &key, Some(request), unexecuted);
                    if let Job::Leave(leave) = &mut job {
                        leave.sender = ["p", "q"][random.below(2) as usize].into();
                        leave.key.principal = Arc::clone(&leave.sender);
                    }
                    inbox.push(job).unwrap();
                }
                _ => {
                    let (job, answer) = random_job(&mut random, number, name);
                    let Job::Execute(Execute { op, session, .. }) = &job else { unreachable!() };
                    let is_cancel = matches!(op, Op::Cancel { .. });
                    let is_acquire = matches!(op, Op::Acquire { .. });
                    let session = session.map(|session| session.0);
                    let tags = order_tag::of(&job).collect();
                    sent.insert(number, Sent { tags, session, is_cancel, is_acquire });
                    answers.insert(number, answer);
                    inbox.push(job).unwrap();
                }
            }
        }
        take_some(&inboxes[0], 1000);
        assert!(!is_lent || take(&inboxes[1], 1).is_empty());
        take_some(&inboxes[1], 1000);
        let mut left: Vec<u64> = sent.keys().copied().filter(|number| !taken.contains(number)).collect();
        assert_eq!(taken.len() + left.len(), sent.len());
        left.retain(|number| {
            let answer = answers.get_mut(number).unwrap().try_recv();
            !matches!(answer, Ok(OperationResult { outcome: Err(OperationError::Overloaded), .. }))
        });
        assert!(left.is_empty(), "neither taken nor withdrawn: {left:?}");
        for (index, later) in taken.iter().enumerate() {
            for (place, earlier) in taken[..index].iter().enumerate() {
                let (before, after) = (&sent[earlier], &sent[later]);
                let ordered = before.tags.iter().any(|tag| after.tags.contains(tag));
                // An acquire behind the cancel that it was enqueued before is refused, so
                // it is in no order.
                let refused =
                    taken[..place].iter().any(|cancel| cancel > earlier && sent[cancel].passes(before));
                let in_order = earlier < later || !ordered || before.passes(after) || refused;
                assert!(in_order, "{earlier} has overtaken {later}: {taken:?}");
            }
        }
    }
}

/// What the writer takes as it has arrived comes in the order in which the lanes would give it out.
#[test]
fn arrivals_are_taken_in_the_order_of_the_lanes() {
    let mut random = Random::from_environment();
    let mut all_at_once = 0;
    for _ in 0..rounds(300) {
        let (inbox, lanes) = (Inbox::default(), Inbox::default());
        let names = 1 + random.below(20);
        for number in 1..=random.below(40) {
            let name = format!("n{}", random.below(names));
            let (op, session) = match random.below(6) {
                0..=2 => (acquire(&format!("k{}", random.below(40))), Some(1 + random.below(3))),
                3 => (renew(&format!("k{}", random.below(40))), None),
                4 => (renew(&format!("k{}", random.below(40))), Some(1 + random.below(3))),
                _ => (cancel(&format!("k{}", random.below(40))), None),
            };
            inbox.push(execute(number, &name, session, op.clone()).0).unwrap();
            lanes.push(execute(number, &name, session, op).0).unwrap();
            lanes.lock().fill();
            if random.below(8) == 0 {
                let room = random.pick(&[1, 3, 10, 100]);
                let arrived = inbox.lock().arrivals.len();
                assert_eq!(take_numbers(&inbox, room), take_numbers(&lanes, room));
                all_at_once += u32::from(arrived > 1 && inbox.lock().len() == 0);
            }
        }
        assert_eq!(take_numbers(&inbox, 100), take_numbers(&lanes, 100));
        assert_eq!(inbox.lock().len(), 0);
        assert_eq!(lanes.lock().len(), 0);
    }
    assert!(all_at_once > 0);
}
