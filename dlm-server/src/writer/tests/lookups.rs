//! How often a batch looks claims up while it has its rows locked.

use dlm_engine::{ClaimKey, Op};

use super::harness::{TestWriter, answer, is_open, token};

const WAIT: u64 = 3_600_000;

/// How many statements looked claims up since the last call.
fn lookups(writer: &TestWriter) -> usize {
    std::mem::take(&mut writer.script.lock().lookups)
}

#[test]
fn new_keys_are_not_looked_up() {
    let mut writer = TestWriter::new();
    let mut acquires: Vec<_> =
        (0..100).map(|index| writer.acquire(&format!("a/{index}"), "k", 0).1).collect();
    writer.turn();
    assert!(acquires.iter_mut().all(|acquire| token(&answer(acquire)) == 1));
    assert_eq!(lookups(&writer), 0);
}

#[test]
fn a_returning_waiter_costs_its_batch_one_lookup() {
    let mut writer = TestWriter::new();
    writer.acquire("hot", "holder", 0);
    // More than the engine keeps in memory.
    let mut waiters: Vec<_> =
        (0..600).map(|index| writer.acquire("hot", &format!("waiter/{index}"), WAIT).1).collect();
    writer.finish();
    lookups(&writer);
    let mut acquires: Vec<_> =
        (0..100).map(|index| writer.acquire(&format!("a/{index}"), "k", 0).1).collect();
    let (_, mut returning) = writer.acquire("hot", "waiter/599", WAIT);
    acquires.extend((100..200).map(|index| writer.acquire(&format!("a/{index}"), "k", 0).1));
    writer.turn();
    assert!(acquires.iter_mut().all(|acquire| token(&answer(acquire)) == 1));
    assert!(is_open(&mut returning) && waiters.iter_mut().all(is_open));
    assert_eq!(lookups(&writer), 1);
}

#[test]
fn ended_keys_cost_their_batch_one_lookup() {
    let mut writer = TestWriter::new();
    for index in 0..100 {
        writer.acquire(&format!("a/{index}"), "k", 0);
        writer.release(&format!("a/{index}"), "k", 1);
    }
    writer.turn();
    lookups(&writer);
    let mut again = Vec::new();
    for index in 0..100 {
        let name = format!("a/{index}");
        again.push(writer.acquire(&name, "k", 0).1);
        again.push(writer.acquire(&format!("b/{index}"), "k", 0).1);
        again.push(writer.execute(&name, None, Op::Release { key: ClaimKey::new("", "k"), token: 1 }).1);
    }
    writer.turn();
    for (index, again) in again.iter_mut().enumerate() {
        assert_eq!(answer(again).is_err(), index % 3 == 0);
    }
    assert_eq!(lookups(&writer), 1);
}

#[test]
fn refused_tries_cost_their_batch_one_lookup() {
    let mut writer = TestWriter::new();
    for index in 0..50 {
        writer.acquire(&format!("a/{index}"), "holder", 0);
    }
    writer.turn();
    let mut tries: Vec<_> = (0..200)
        .map(|index| writer.acquire(&format!("a/{}", index % 50), &format!("k/{index}"), 0).1)
        .collect();
    writer.turn();
    assert!(tries.iter_mut().all(|refused| answer(refused).is_err()));
    assert_eq!(lookups(&writer), 1);
}
