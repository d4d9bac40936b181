//! What readers and writers load of a resource, from the shared queries.

use dlm_engine::{Claim, ClaimKey, Micros, Need, Resource, ResourceRecord};
use dlm_protocol::StateFilter;
use dlm_protocol::limits::{MAX_HOLDERS_SHOWN, MAX_NAME_BYTES, MAX_PAGE_BYTES, MAX_WAITERS_SHOWN};

use super::queries::{NameRange, Queries};
use super::read::TOP;
use super::rows::{ClaimRow, ResourceRow};
use super::{ListQuery, LockCounts, Name, ResourceView, StoreError, floor_bucket, holders_shown};

/// How many waiters are loaded at a time.
const WAITERS_LOADED: i64 = 64;

/// Loads what the engine needs to proceed with an operation.
pub(super) fn provide(
    connection: &mut impl Queries,
    name: &Name,
    need: Need,
    resource: &mut Resource,
) -> Result<(), StoreError> {
    match need {
        Need::Claim(key) => {
            let found = claim(connection, name, &key)?;
            resource.provide_claim(key, found);
        }
        Need::Waiters { after } => {
            let waiters = claims(connection.waiters(name, after as i64, WAITERS_LOADED)?)?;
            let all = (waiters.len() as i64) < WAITERS_LOADED;
            resource.provide_waiters(waiters, all);
        }
        Need::ForceReleased { token } => {
            let found = connection.force_released(name, token as i64)?;
            resource.provide_force_released(token, found.map(ClaimRow::into_claim).transpose()?);
        }
    }
    Ok(())
}

/// The holders of a resource, the first `limit` if they are shared.
pub(super) fn holders(
    connection: &mut impl Queries,
    row: &ResourceRow,
    limit: i64,
) -> Result<Vec<Claim>, StoreError> {
    match row.holder() {
        Some(key) => Ok(claim(connection, &row.name, &key)?.into_iter().collect()),
        None if row.holder_count > 0 => claims(connection.shared_holders(&row.name, limit)?),
        None => Ok(Vec::new()),
    }
}

/// A resource with its first holders and waiters.
pub(super) fn view(connection: &mut impl Queries, name: &Name) -> Result<ResourceView, StoreError> {
    match connection.resource(name)? {
        Some(row) => view_of(connection, row, MAX_WAITERS_SHOWN as i64),
        None => absent(connection, name),
    }
}

/// A page of resources, each with its first waiter, and whether more may follow.
pub(super) fn list(
    connection: &mut impl Queries,
    query: &ListQuery,
) -> Result<(Vec<ResourceView>, bool), StoreError> {
    let names = NameRange {
        from: &query.prefix,
        // No name is empty.
        after: query.after.as_deref().unwrap_or_default(),
        end: &prefix_end(&query.prefix).unwrap_or_else(end_of_names),
    };
    let (min_holders, min_waiters) = match query.state {
        StateFilter::Held => (1, 0),
        StateFilter::Waiting => (0, 1),
        StateFilter::All => (0, 0),
    };
    let rows = connection.resource_page(&names, min_holders, min_waiters, query.limit as i64)?;
    let found = rows.len();
    let views = page(rows.into_iter().map(|row| view_of(connection, row, 1)))?;
    let more = views.len() < found || found == query.limit;
    Ok((views, more))
}

/// The rows of these resources in a list; as many of the first as fit on a page.
pub(super) fn list_again(
    connection: &mut impl Queries,
    names: &[Name],
) -> Result<Vec<ResourceView>, StoreError> {
    page(names.iter().map(|name| match connection.resource(name)? {
        Some(row) => view_of(connection, row, 1),
        None => absent(connection, name),
    }))
}

/// The first of these resources that fit on a page, at least one. The others are
/// not read.
fn page(
    views: impl Iterator<Item = Result<ResourceView, StoreError>>,
) -> Result<Vec<ResourceView>, StoreError> {
    let mut page = Vec::new();
    let mut bytes = 0;
    for view in views {
        let view = view?;
        bytes += view.list_bytes();
        if bytes > MAX_PAGE_BYTES && !page.is_empty() {
            break;
        }
        page.push(view);
    }
    Ok(page)
}

/// Counts over all resources. Waiters enqueued before `long` count as long waits.
pub(super) fn lock_counts(connection: &mut impl Queries, long: Micros) -> Result<LockCounts, StoreError> {
    let (held, leases, waiting) = connection.totals()?;
    let contended = connection.longest_queues(TOP)?;
    let oldest = connection.oldest_waiters(TOP)?;
    let long_waits = connection.count_enqueued_before(long.0)?;
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(LockCounts {
        held: count(held),
        leases: count(leases),
        waiting: count(waiting),
        long_waits: count(long_waits),
        oldest: oldest
            .into_iter()
            .map(|(name, row)| Ok((Name::from(name), row.into_claim()?)))
            .collect::<Result<_, StoreError>>()?,
        contended: contended.into_iter().map(|row| view_of(connection, row, 1)).collect::<Result<_, _>>()?,
    })
}

/// The place of a waiter in the queue, counted from 1.
pub(super) fn queue_position(
    connection: &mut impl Queries,
    name: &str,
    key: &ClaimKey,
) -> Result<Option<u64>, StoreError> {
    let Some(ticket) = connection.ticket(name, key)?.flatten() else { return Ok(None) };
    Ok(Some(connection.count_waiters_up_to(name, ticket)? as u64))
}

/// Resources and waiters that are due, and when the next one will be.
pub(super) struct Due {
    pub(super) resources: Vec<Name>,
    pub(super) waiters: Vec<(Name, ClaimKey)>,
    pub(super) next: Option<Micros>,
}

/// Up to `limit` resources, and as many waiters, that are due by this instant.
pub(super) fn due(connection: &mut impl Queries, by: Micros, limit: i64) -> Result<Due, StoreError> {
    let resources = connection.due_resources(by.0, limit)?;
    let waiters = connection.due_waiters(by.0, limit)?;
    let next_resource = connection.next_resource_check(by.0)?;
    let next_waiter = connection.next_waiter_check(by.0)?.flatten();
    Ok(Due {
        resources: resources.into_iter().map(Name::from).collect(),
        waiters: waiters.into_iter().map(waiter).collect(),
        next: next_resource.into_iter().chain(next_waiter).min().map(Micros),
    })
}

/// A waiter's resource, principal and key.
pub(super) fn waiter((resource, principal, key): (String, String, String)) -> (Name, ClaimKey) {
    (Name::from(resource), ClaimKey::new(principal, key))
}

fn claim(connection: &mut impl Queries, name: &str, key: &ClaimKey) -> Result<Option<Claim>, StoreError> {
    connection.claim(name, key)?.map(ClaimRow::into_claim).transpose()
}

fn claims(rows: Vec<ClaimRow>) -> Result<Vec<Claim>, StoreError> {
    rows.into_iter().map(ClaimRow::into_claim).collect()
}

fn view_of(
    connection: &mut impl Queries,
    row: ResourceRow,
    waiters_shown: i64,
) -> Result<ResourceView, StoreError> {
    let waiters = match row.queue_len {
        0 => Vec::new(),
        _ => claims(connection.waiters(&row.name, 0, waiters_shown)?)?,
    };
    let mut holders = holders(connection, &row, MAX_HOLDERS_SHOWN as i64)?;
    holders.truncate(holders_shown(&holders));
    Ok(ResourceView { row: row.to_record(), name: Name::from(row.name), holders, waiters })
}

/// A name without a row: a free resource whose counters start at its floor.
fn absent(connection: &mut impl Queries, name: &Name) -> Result<ResourceView, StoreError> {
    let (token, version) = connection.floor(floor_bucket(name))?.unwrap_or_default();
    let row = ResourceRecord { token: token as u64, version: version as u64, ..Default::default() };
    Ok(ResourceView { name: Name::clone(name), row, holders: Vec::new(), waiters: Vec::new() })
}

/// The first text, in byte order, behind all texts with this prefix; `None` if
/// there is none.
fn prefix_end(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// A text behind all names, in byte order.
fn end_of_names() -> String {
    "\u{10ffff}".repeat(MAX_NAME_BYTES / '\u{10ffff}'.len_utf8() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_behind_its_names_and_before_the_next_prefix() {
        for (prefix, end) in
            [("a", "b"), ("a/", "a0"), ("z\u{10ffff}", "{"), ("\u{d7ff}", "\u{e000}"), ("é", "ê")]
        {
            assert_eq!(prefix_end(prefix).as_deref(), Some(end));
            assert!(format!("{prefix}\u{10ffff}\u{10ffff}").as_str() < end);
        }
        assert_eq!(prefix_end(""), None);
        assert_eq!(prefix_end("\u{10ffff}"), None);
    }

    #[test]
    fn no_name_is_behind_the_end_of_names() {
        let last_name = "\u{10ffff}".repeat(MAX_NAME_BYTES / 4);
        assert!(last_name < end_of_names());
    }
}
