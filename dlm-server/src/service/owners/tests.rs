//! Pages of owners.

use std::sync::Arc;

use dlm_engine::{
    Claim, ClaimKey, Context, Lease, Limits, Micros, Mode, Phase, ReplicaId, Replicas, Request,
    ResourceRecord,
};
use dlm_protocol::limits::{MAX_OWNERS_SHOWN, MAX_PAGE};

use super::*;
use crate::store::{Name, ResourceView};

const NOW: Micros = Micros(1_000_000);

fn held(name: String, principal: &str, owner: String) -> ResourceView {
    let request = Request {
        mode: Mode::Exclusive,
        ttl_ms: 1000,
        wait_ms: 0,
        owner: owner.into(),
        metadata: "{}".into(),
    };
    let lease = Lease {
        token: 1,
        granted_at: NOW,
        term_at: NOW,
        ttl_ms: 1000,
        expires_at: NOW.plus_ms(1000),
        ticket: None,
    };
    let key = ClaimKey::new(principal, name.as_str());
    let claim = Claim { key, request: Some(Arc::new(request)), phase: Phase::Live(lease) };
    let row = ResourceRecord { holder_count: 1, token: 1, ..ResourceRecord::default() };
    ResourceView { name: Name::from(name), row, holders: vec![claim], waiters: Vec::new() }
}

fn table(views: Vec<ResourceView>, now: Micros) -> OwnerTable {
    let replicas = Replicas::single_node(ReplicaId(1), Micros(0));
    let limits =
        Limits { away_grace_ms: 10_000, idle_retention_ms: 1000, holders_shown: 100, max_transitions: 10 };
    let context = Context { now, replicas: &replicas, limits: &limits };
    OwnerTable::new(Snapshot::new(context, views), now, true).unwrap()
}

#[test]
fn a_page_goes_on_behind_the_last_owner_of_the_one_before() {
    // Twenty owners with one lock each, of two principals, and one with three.
    let mut views: Vec<_> = (0..40)
        .map(|index| held(format!("r{index}"), ["p", "q"][index % 2], format!("o{}", index / 2)))
        .collect();
    views.extend((0..3).map(|index| held(format!("s{index}"), "p", "many".into())));
    let table = table(views, NOW);
    let mut query = OwnersQuery { limit: 7, ..OwnersQuery::default() };
    let mut seen = Vec::new();
    loop {
        let after = query.after.as_deref().map(|text| Place::decode(text).unwrap());
        let page = page(&table, &query, after.as_ref());
        assert!(page.owners.len() <= 7);
        seen.extend(page.owners.into_iter().map(|row| (row.owner.as_str().to_owned(), row.principal)));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), seen[0].0.as_str()), (41, "many"));
    assert!(seen[1..].is_sorted(), "{seen:?}");
    seen.dedup();
    assert_eq!(seen.len(), 41);
}

#[test]
fn a_page_ends_before_it_gets_too_large() {
    let long = |index: usize| format!("{index:04}{}", "x".repeat(250));
    let table = table((0..3_000).map(|index| held(format!("r{index}"), "p", long(index))).collect(), NOW);
    let query = OwnersQuery { limit: usize::MAX, ..OwnersQuery::default() };
    let page = page(&table, &query, None);
    assert!(page.next.is_some() && serde_json::to_string(&page).unwrap().len() <= MAX_PAGE_BYTES);
    assert!(page.owners.len() > 1_000);
}

#[test]
fn an_overdue_lease_is_nobodys() {
    let table = table(vec![held("r".into(), "p", "o".into())], NOW.plus_ms(1000));
    assert_eq!(table.owners().count(), 0);
}

#[test]
fn details_of_an_owner_end_before_they_get_too_large() {
    let owner = "o".repeat(250);
    let name = |index: usize| format!("{index:04}{}", "x".repeat(200));
    let table = table((0..MAX_PAGE).map(|index| held(name(index), "p", owner.clone())).collect(), NOW);
    let filter = OwnerFilter { owner: owner.as_str().try_into().unwrap(), principal: None };
    let details = table.details(&filter).unwrap();
    assert!(!details.complete && details.hold_count == MAX_PAGE as u64);
    assert!(!details.holds.is_empty() && serde_json::to_vec(&details).unwrap().len() <= MAX_PAGE_BYTES);
}

#[test]
fn details_of_a_principal_end_before_they_get_too_large() {
    let name = |index: usize| format!("{index:04}{}", "x".repeat(250));
    let views = (0..MAX_PAGE).map(|index| held(name(index), "p", name(index))).collect();
    let details = table(views, NOW).principal("p".into()).unwrap();
    assert!(
        !details.complete && details.hold_count == MAX_PAGE as u64 && details.owner_count == MAX_PAGE as u64
    );
    assert_eq!(details.owners.len(), MAX_OWNERS_SHOWN);
    assert!(!details.holds.is_empty() && serde_json::to_vec(&details).unwrap().len() <= MAX_PAGE_BYTES);
}

#[test]
fn a_principal_has_all_of_its_owners_and_nothing_of_others() {
    let views = ["a", "b", "c"].into_iter().zip(["p", "q", "p"]);
    let views = views.map(|(name, principal)| held(name.into(), principal, name.into())).collect();
    let details = table(views, NOW).principal("p".into()).unwrap();
    assert!(details.complete);
    assert_eq!((details.owner_count, details.hold_count, details.wait_count), (2, 2, 0));
    let owners: Vec<_> = details.owners.iter().map(|owner| owner.owner.as_str()).collect();
    let holds: Vec<_> = details.holds.iter().map(|held| held.resource.as_str()).collect();
    assert_eq!((owners, holds), (vec!["a", "c"], vec!["a", "c"]));
}
