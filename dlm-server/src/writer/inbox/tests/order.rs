//! The order of jobs, by example.

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::{ClaimKey, Op};
use tokio::sync::oneshot;

use super::super::{ACQUIRE_SHARE, Depth, Inbox, InboxReceiver, MAX_ACQUIRES, MAX_URGENT};
use super::{acquire, acquire_of, cancel, execute, leave, renew, take, take_numbers};
use crate::clock::since_boot;
use crate::store::Name;
use crate::writer::job::{EnqueueError, Execute, Job, OperationError, Unexecuted};

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
