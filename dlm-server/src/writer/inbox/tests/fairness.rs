//! Principals take turns.

use super::super::{Depth, Inbox, MAX_ACQUIRES};
use super::{acquire_of, execute, leave, renew, take_numbers};
use crate::writer::job::{EnqueueError, Job, OperationError, Unexecuted};
use crate::writer::tests::{Random, rounds};

fn push(inbox: &Inbox, number: u64, principal: &str) -> super::Answer {
    let (job, answer) = execute(number, "a", None, acquire_of(principal, &format!("k{number}")));
    inbox.push(job).unwrap();
    answer
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
    inbox.push(Job::Leave(withdrawal)).unwrap();
    push(&inbox, 4, "a");
    assert_eq!(take_numbers(&inbox, 10), [2, 4, 3]);
}

#[test]
fn a_principal_that_fills_the_lane_makes_room_for_others() {
    let inbox = Inbox::default();
    let mut last = None;
    for number in 1..=MAX_ACQUIRES as u64 {
        last = Some(push(&inbox, number, "flood"));
    }
    let (job, _) = execute(0, "a", None, acquire_of("flood", "k"));
    assert_eq!(inbox.push(job), Err(EnqueueError::QueueFull));
    let (job, _other) = execute(90_000, "a", None, acquire_of("other", "k"));
    assert_eq!(inbox.push(job), Ok(true), "another acquire was refused instead");
    let refused = last.unwrap().try_recv().unwrap();
    assert!(matches!(refused.outcome, Err(OperationError::Overloaded)), "{refused:?}");
    assert_eq!(inbox.take(0, &mut Vec::new()), Depth { urgent: 0, acquires: MAX_ACQUIRES });
    assert_eq!(take_numbers(&inbox, 2), [1, 90_000]);
}

#[test]
fn no_principal_gets_more_than_an_equal_share_of_a_full_lane() {
    let inbox = Inbox::default();
    let half = MAX_ACQUIRES as u64 / 2;
    let answers: Vec<_> = (0..2 * half).map(|number| push(&inbox, number, "flood")).collect();
    let mut admitted = 0;
    for number in 0..2 * half {
        let (job, _) = execute(number, "a", None, acquire_of("other", &format!("k{number}")));
        admitted += u64::from(inbox.push(job).is_ok());
    }
    assert_eq!(admitted, half);
    drop(answers);
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
