//! Principals take turns.

use dlm_engine::{ClaimKey, Op};

use super::super::{Inbox, MAX_ACQUIRES, MAX_URGENT};
use super::{acquire_of, execute, leave, renew, take_numbers};
use crate::random::{Random, rounds};
use crate::writer::job::{EnqueueError, Job, Unexecuted};

fn push(inbox: &Inbox, number: u64, principal: &str) -> super::Answer {
    let (job, answer) = execute(number, "a", None, acquire_of(principal, &format!("k{number}")));
    inbox.push(job).unwrap();
    answer
}

fn renew_of(principal: &str, key: &str) -> Op {
    Op::Renew { key: ClaimKey::new(principal, key), token: 1, ttl_ms: None }
}

#[test]
fn acquires_of_principals_are_taken_in_turn() {
    let inbox = Inbox::default();
    for number in 1..=6 {
        push(&inbox, number, "flood");
    }
    for (number, principal) in [(7, "b"), (8, "c"), (9, "b")] {
        push(&inbox, number, principal);
    }
    assert_eq!(take_numbers(&inbox, 4), [1, 7, 8, 2]);
    assert_eq!(take_numbers(&inbox, 10), [9, 3, 4, 5, 6]);
}

#[test]
fn maintenance_does_not_wait_for_a_principal_that_floods() {
    let inbox = Inbox::default();
    for number in 1..=100 {
        push(&inbox, number, "flood");
    }
    inbox.push(Job::Maintenance(Box::new(|_| {}))).unwrap();
    assert_eq!(take_numbers(&inbox, 3), [1, 0, 2]);
}

#[test]
fn an_acquire_that_is_withdrawn_gives_up_its_turn() {
    let inbox = Inbox::default();
    push(&inbox, 1, "a");
    push(&inbox, 2, "b");
    push(&inbox, 3, "b");
    let Job::Leave(mut withdrawal) = leave("a", "k1", Some(1), Unexecuted::Withdraw) else { unreachable!() };
    withdrawal.key.principal = "a".into();
    withdrawal.sender = "a".into();
    inbox.push(Job::Leave(withdrawal)).unwrap();
    push(&inbox, 4, "a");
    assert_eq!(take_numbers(&inbox, 10), [2, 4, 3]);
}

#[test]
fn a_principal_that_fills_the_lane_of_acquires_leaves_others_their_share() {
    let inbox = Inbox::default();
    let max = MAX_ACQUIRES as u64;
    for number in 1..=max {
        push(&inbox, number, "flood");
    }
    let admitted = |principal: &str| {
        let acquire = |number| execute(number, "a", None, acquire_of(principal, &format!("k{number}"))).0;
        (max + 1..=2 * max).take_while(|number| inbox.push(acquire(*number)).is_ok()).count()
    };
    assert_eq!(admitted("flood"), 0);
    assert_eq!(admitted("other"), MAX_ACQUIRES / 2);
    assert_eq!(admitted("third"), MAX_ACQUIRES / 3);
    assert_eq!(admitted("flood") + admitted("other"), 0);
    assert_eq!(take_numbers(&inbox, 3), [1, max + 1, max + 1]);
}

#[test]
fn a_principal_that_fills_the_urgent_lane_leaves_others_their_share() {
    let inbox = Inbox::default();
    for number in 1..=MAX_URGENT as u64 {
        inbox.push(execute(number, "a", None, renew_of("flood", "k")).0).unwrap();
    }
    assert_eq!(inbox.push(execute(0, "a", None, renew_of("flood", "k")).0), Err(EnqueueError::QueueFull));
    inbox.push(execute(90_000, "a", None, renew_of("other", "k")).0).unwrap();
    assert_eq!(take_numbers(&inbox, 3), [1, 90_000, 2]);
}

#[test]
fn urgent_jobs_of_principals_are_taken_in_turn_and_those_of_the_server_first() {
    let inbox = Inbox::default();
    for number in 1..=100 {
        inbox.push(execute(number, "a", None, renew_of("flood", "k")).0).unwrap();
    }
    push(&inbox, 101, "other");
    inbox.push(execute(102, "a", None, renew_of("other", "x")).0).unwrap();
    let (mut sweep, _answer) = execute(103, "a", None, Op::Sweep { waiters: Vec::new() });
    if let Job::Execute(execute) = &mut sweep {
        execute.sender = None;
    }
    inbox.push(sweep).unwrap();
    // The acquire of the other one does not wait for the flood's urgent jobs.
    assert_eq!(take_numbers(&inbox, 8), [103, 1, 102, 2, 3, 4, 5, 101]);
}

/// Of each principal, jobs come in the order in which they were sent. And while a
/// principal waits, none gets two more turns than it.
#[test]
fn random_acquires_are_in_order_for_each_principal_and_none_is_starved() {
    let mut random = Random::from_environment();
    for _ in 0..rounds(100) {
        let inbox = Inbox::default();
        let mut waiting: Vec<Vec<u64>> = vec![Vec::new(); 4];
        // How many turns others had since a principal began to wait, or had its own.
        let mut passed = [[0_u32; 4]; 4];
        for number in 1..=random.below(120) {
            if random.below(3) > 0 {
                let principal = random.below(4) as usize;
                push(&inbox, number, &format!("p{principal}"));
                waiting[principal].push(number);
                continue;
            }
            if random.below(4) == 0 {
                inbox.push(execute(0, "z", None, renew("k")).0).unwrap();
            }
            for taken in take_numbers(&inbox, random.below(6) as usize).into_iter().filter(|taken| *taken > 0)
            {
                let principal = waiting.iter().position(|queue| queue.contains(&taken)).unwrap();
                assert_eq!(waiting[principal].remove(0), taken, "out of order");
                passed[principal] = [0; 4];
                for (other, queue) in waiting.iter().enumerate() {
                    if other == principal || queue.is_empty() {
                        passed[other][principal] = 0;
                        continue;
                    }
                    passed[other][principal] += 1;
                    assert!(passed[other][principal] <= 2, "{principal} has passed {other} again and again");
                }
            }
        }
    }
}
