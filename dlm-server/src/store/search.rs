//! Finds resources by a part of their names. No index has that, so names are read one after the other.

use std::time::Duration;

use dlm_protocol::StateFilter;

use super::names::{NameRange, Names};
use super::queries::Queries;
use super::rows::ResourceRow;
use super::{ListQuery, StoreError};
use crate::clock::since_boot;

/// How many names a search looks at. Few in tests, so that there are several searches.
const MAX_NAMES: usize = if cfg!(test) { 10 } else { 200_000 };

/// How long a search takes, but for the read that it has begun: other readers wait for its connection.
const WITHIN: Duration = Duration::from_millis(300);

/// How many names, or rows of resources in use, are read at a time.
const NAMES: usize = if cfg!(test) { 3 } else { 5_000 };
const ROWS: usize = if cfg!(test) { 3 } else { 1_000 };

/// What a search found.
pub(super) struct Found {
    pub(super) rows: Vec<ResourceRow>,
    /// The name that was looked at last, if more may follow.
    pub(super) next: Option<String>,
}

/// The resources that are asked for, with the part of the name.
pub(super) fn search(
    connection: &mut impl Queries,
    query: &ListQuery,
    names: &Names,
) -> Result<Found, StoreError> {
    let until = since_boot() + WITHIN;
    let mut at = query.after.clone().unwrap_or_default();
    let (mut rows, mut left) = (Vec::new(), MAX_NAMES);
    for mut range in names.with_prefix(&query.prefix, &at) {
        loop {
            if left == 0 || since_boot() >= until {
                return Ok(Found { rows, next: Some(at) });
            }
            let limit = left.min(if query.state == StateFilter::All { NAMES } else { ROWS });
            let page = candidates(connection, query.state, &range, &at, limit)?;
            let more = page.len() == limit;
            left -= page.len();
            for (name, row) in page {
                if contains(&name, &query.contains) {
                    rows.extend(match row {
                        Some(row) => Some(row),
                        None => connection.resource(&name)?,
                    });
                }
                at = name;
                if rows.len() == query.limit {
                    return Ok(Found { rows, next: Some(at) });
                }
            }
            if !more {
                break;
            }
            // SQLite looks up one of both bounds.
            range.from.clone_from(&at);
        }
    }
    Ok(Found { rows, next: None })
}

/// The next names, with their rows if these had to be read.
fn candidates(
    connection: &mut impl Queries,
    state: StateFilter,
    range: &NameRange,
    after: &str,
    limit: usize,
) -> Result<Vec<(String, Option<ResourceRow>)>, StoreError> {
    let limit = limit as i64;
    let rows = match state {
        StateFilter::All => {
            let names = connection.name_page(range, after, limit)?;
            return Ok(names.into_iter().map(|name| (name, None)).collect());
        }
        StateFilter::Held => connection.held_page(range, after, limit)?,
        StateFilter::Waiting => connection.queued_page(range, after, limit)?,
    };
    Ok(rows.into_iter().map(|row| (row.name.clone(), Some(row))).collect())
}

/// Whether a name has this part, in any case of ASCII letters.
fn contains(name: &str, part: &str) -> bool {
    let mut parts = name.as_bytes().windows(part.len().max(1));
    part.is_empty() || parts.any(|found| found.eq_ignore_ascii_case(part.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_name_is_found_in_any_case_of_ascii_letters() {
        for (name, part) in
            [("orders/42", "DERS"), ("Orders", "orders"), ("a", "a"), ("a", ""), ("é/1", "é/")]
        {
            assert!(contains(name, part), "{part} in {name}");
        }
        for (name, part) in [("orders", "orders/"), ("é", "É"), ("a%b", "a_b"), ("ab", "%"), ("ab", "b a")]
        {
            assert!(!contains(name, part), "{part} in {name}");
        }
    }
}
