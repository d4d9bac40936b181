//! The order of jobs, by example and as a property of random jobs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dlm_engine::{ClaimKey, Op};
use tokio::sync::oneshot;

use super::super::{ACQUIRE_SHARE, Depth, Inbox, InboxReceiver, MAX_ACQUIRES, MAX_URGENT, order_tag};
use super::{Answer, acquire, acquire_of, cancel, execute, leave, number, renew, take, take_numbers};
use crate::clock::since_boot;
use crate::random::{Random, rounds};
use crate::store::Name;
use crate::writer::job::{EnqueueError, Execute, Job, OperationError, OperationResult, Unexecuted};

/// Enqueues operations that are numbered from 1, and takes everything.
fn order_of(ops: Vec<(&str, Option<u64>, Op)>) -> Vec<u64> {
    let inbox = Inbox::default();
    for (index, (name, session, op)) in ops.into_iter().enumerate() {
        inbox.push(execute(index as u64 + 1, name, session, op).0).unwrap();
    }
    take_numbers(&inbox, 100)
}

#[test]
fn a_renewal_goes_ahead_of_acquires_of_others() {
    let order = order_of(vec![
        ("a", Some(1), acquire("k1")),
        ("a", None, acquire("k2")),
        ("b", Some(2), acquire("k3")),
        ("a", Some(2), renew("k4")),
    ]);
    assert_eq!(order, [4, 1, 2, 3]);
}

#[test]
fn a_renewal_takes_the_acquires_of_its_session_on_its_resource_along() {
    let order = order_of(vec![
        ("a", Some(2), acquire("k1")),
        ("a", Some(1), acquire("k2")),
        ("b", Some(1), acquire("k3")),
        ("a", Some(1), acquire("k4")),
        ("a", Some(1), renew("k5")),
    ]);
    assert_eq!(order, [2, 4, 5, 1, 3]);
}

#[test]
fn what_is_taken_along_takes_along_what_it_must_not_overtake() {
    // The release concerns the key of the third, which is behind the second in its
    // session, which has the key of the first.
    let order = order_of(vec![
        ("a", None, acquire("k1")),
        ("a", Some(1), acquire("k1")),
        ("a", Some(1), acquire("k2")),
        ("a", Some(1), acquire("k3")),
        ("a", None, renew("k2")),
    ]);
    assert_eq!(order, [1, 2, 3, 5, 4]);
}

#[test]
fn a_renewal_of_an_inherited_lease_stays_behind_an_acquire_with_its_key() {
    let inbox = Inbox::default();
    let push = |number, sender: &str, op| {
        let (Job::Execute(execute), _) = execute(number, "a", None, op) else { panic!("an operation") };
        inbox.push(Job::Execute(Execute { sender: Some(sender.into()), ..execute })).unwrap();
    };
    push(1, "p", acquire_of("p", "k1"));
    push(2, "q", acquire_of("q", "k2"));
    push(3, "p", acquire_of("p", "k2"));
    // The lease is of the anonymous principal.
    push(4, "p", renew("k2"));
    assert_eq!(take_numbers(&inbox, 100)[..2], [3, 4]);
}

#[test]
fn a_cancel_puts_an_acquire_with_its_key_right_behind_itself() {
    let order = order_of(vec![
        ("a", None, acquire("k1")),
        ("a", Some(1), acquire("k2")),
        ("b", Some(1), acquire("k2")),
        ("a", None, cancel("k2")),
        ("b", None, renew("k3")),
    ]);
    assert_eq!(order, [4, 2, 5, 1, 3]);
}

#[test]
fn a_cancel_of_the_same_session_stays_behind_its_acquire() {
    let order = order_of(vec![
        ("a", None, acquire("k1")),
        ("a", Some(1), acquire("k2")),
        ("a", Some(1), cancel("k2")),
    ]);
    assert_eq!(order, [2, 3, 1]);
}

#[test]
fn a_leave_withdraws_its_own_acquire_and_no_other() {
    let inbox = Inbox::default();
    let (first, mut first_answer) = execute(1, "a", None, acquire("k"));
    let (second, mut second_answer) = execute(2, "a", None, acquire("k"));
    inbox.push(first).unwrap();
    inbox.push(second).unwrap();
    inbox.push(leave("a", "k", Some(1), Unexecuted::Withdraw)).unwrap();
    let answer = first_answer.try_recv().unwrap();
    assert!(matches!(answer.outcome, Err(OperationError::Overloaded)), "{answer:?}");
    assert!(second_answer.try_recv().is_err());
    assert_eq!(take_numbers(&inbox, 100), [2]);
}

#[test]
fn a_leave_that_does_not_withdraw_its_acquire_follows_it() {
    let inbox = Inbox::default();
    inbox.push(execute(1, "b", None, acquire("k")).0).unwrap();
    let (job, mut answer) = execute(2, "a", None, acquire("k"));
    inbox.push(job).unwrap();
    inbox.push(leave("a", "k", Some(2), Unexecuted::Execute)).unwrap();
    assert!(answer.try_recv().is_err());
    assert_eq!(take_numbers(&inbox, 100), [2, 2, 1]);
}

#[test]
fn a_leave_of_an_executed_acquire_does_not_overtake_a_retry_with_its_key() {
    let inbox = Inbox::default();
    inbox.push(execute(1, "b", None, acquire("k")).0).unwrap();
    inbox.push(execute(2, "a", None, acquire("k")).0).unwrap();
    inbox.push(leave("a", "k", Some(9), Unexecuted::Withdraw)).unwrap();
    assert_eq!(take_numbers(&inbox, 100), [2, 9, 1]);
}

#[test]
fn acquires_get_a_share_of_every_batch() {
    let inbox = Inbox::default();
    for number in 1..=100 {
        inbox.push(execute(number, "a", None, acquire(&format!("k{number}"))).0).unwrap();
    }
    for number in 101..=1000 {
        inbox.push(execute(number, "b", None, renew("k")).0).unwrap();
    }
    let batch = take_numbers(&inbox, 80);
    let acquires = 80 / ACQUIRE_SHARE as u64;
    let expected: Vec<u64> = (101..=180 - acquires).chain(1..=acquires).collect();
    assert_eq!(batch, expected);
}

#[test]
fn an_acquire_never_overtakes_an_urgent_job() {
    let inbox = Inbox::default();
    for number in 1..=100 {
        inbox.push(execute(number, "a", None, renew("k1")).0).unwrap();
    }
    inbox.push(execute(101, "a", None, acquire("k1")).0).unwrap();
    assert_eq!(take_numbers(&inbox, 80), (1..=80).collect::<Vec<_>>());
    assert_eq!(take_numbers(&inbox, 80), (81..=101).collect::<Vec<_>>());
}

#[test]
fn acquires_are_refused_early_and_urgent_operations_late() {
    let inbox = Inbox::default();
    for number in 0..MAX_ACQUIRES as u64 {
        inbox.push(execute(number, "a", None, acquire("k")).0).unwrap();
    }
    assert_eq!(inbox.push(execute(0, "a", None, acquire("k")).0), Err(EnqueueError::QueueFull));
    for number in 0..MAX_URGENT as u64 {
        inbox.push(execute(number, "b", None, renew("k")).0).unwrap();
    }
    assert_eq!(inbox.push(execute(0, "b", None, renew("k")).0), Err(EnqueueError::QueueFull));
    // Their jobs are few, and must not be lost.
    inbox.push(leave("a", "other", Some(1), Unexecuted::Withdraw)).unwrap();
    inbox.push(Job::Recheck(Name::from("a"), ClaimKey::new("", "k"))).unwrap();
    let left = inbox.take(0, &mut Vec::new());
    assert_eq!(left, Depth { urgent: MAX_URGENT + 2, acquires: MAX_ACQUIRES });
}

#[test]
fn maintenance_comes_behind_everything_before_it() {
    let inbox = Inbox::default();
    inbox.push(execute(1, "a", None, acquire("k1")).0).unwrap();
    inbox.push(execute(2, "a", None, renew("k2")).0).unwrap();
    inbox.push(Job::Maintenance(Box::new(|_| {}))).unwrap();
    inbox.push(execute(3, "a", None, acquire("k3")).0).unwrap();
    assert_eq!(take_numbers(&inbox, 100), [2, 1, 0, 3]);
}

#[test]
fn a_closed_inbox_hands_out_what_it_has_and_accepts_nothing() {
    let inbox = Inbox::default();
    inbox.push(execute(1, "a", None, acquire("k1")).0).unwrap();
    inbox.close();
    assert_eq!(inbox.push(leave("a", "k1", Some(1), Unexecuted::Withdraw)), Err(EnqueueError::Stopped));
    assert!(!inbox.is_finished());
    assert_eq!(take_numbers(&inbox, 100), [1]);
    assert!(inbox.is_finished());
}

#[test]
fn callers_learn_that_the_writer_is_gone() {
    let inbox = Arc::new(Inbox::default());
    let receiver = InboxReceiver::new(Arc::clone(&inbox));
    let (job, mut answer) = execute(1, "a", None, acquire("k1"));
    inbox.push(job).unwrap();
    drop(receiver);
    assert_eq!(answer.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
    assert_eq!(inbox.push(execute(2, "a", None, renew("k1")).0), Err(EnqueueError::Stopped));
}

#[test]
fn a_lent_inbox_passes_jobs_on_until_it_is_taken_back() {
    let inboxes: [Arc<Inbox>; 2] = Default::default();
    let [own, other] = &inboxes;
    let push = |number, name| own.push(execute(number, name, None, renew("k1")).0).unwrap();
    push(1, "a");
    assert!(own.lend(other));
    push(2, "a");
    assert_eq!((take_numbers(own, 100), take_numbers(other, 100)), (vec![], vec![1, 2]));
    push(3, "a");
    other.push(execute(4, "b", None, renew("k1")).0).unwrap();
    assert!(own.take_back(|job| job.name().is_some_and(|name| **name == *"a")));
    push(5, "a");
    assert_eq!((take_numbers(own, 100), take_numbers(other, 100)), (vec![3, 5], vec![4]));
}

#[test]
fn a_closed_inbox_is_neither_lent_nor_taken_back() {
    let inboxes: [Arc<Inbox>; 2] = Default::default();
    let [own, other] = &inboxes;
    assert!(own.lend(other));
    own.push(execute(1, "a", None, renew("k1")).0).unwrap();
    other.close();
    assert!(!own.take_back(|_| true));
    assert_eq!(own.push(execute(2, "a", None, renew("k1")).0), Err(EnqueueError::Stopped));
    assert_eq!(take_numbers(other, 100), [1], "what was accepted is executed");
    assert!(!Inbox::default().lend(other));
}

#[test]
fn a_sleeping_writer_is_woken_by_a_job_and_by_the_end() {
    let (inbox, lent) = (Arc::<Inbox>::default(), Inbox::default());
    assert!(lent.lend(&inbox));
    let began = since_boot();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| inbox.wait(Duration::from_secs(60), Duration::ZERO));
        inbox.push(execute(1, "a", None, renew("k1")).0).unwrap();
        waiting.join().unwrap();
        take(&inbox, 1);
        let waiting = scope.spawn(|| inbox.wait(Duration::from_secs(60), Duration::ZERO));
        lent.push(execute(2, "a", None, renew("k1")).0).unwrap();
        waiting.join().unwrap();
        take(&inbox, 1);
        let waiting = scope.spawn(|| inbox.wait(Duration::from_secs(60), Duration::ZERO));
        inbox.close();
        waiting.join().unwrap();
    });
    assert!(since_boot() - began < Duration::from_secs(30));
}

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
