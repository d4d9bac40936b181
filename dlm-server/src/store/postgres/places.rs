//! Where the rows of resources are.
//!
//! A row is found by its place (`ctid`), which a write tells. While a long transaction keeps old
//! versions of rows from being removed, an index leads to all versions that a row has had, and a
//! write by name takes longer and longer. A place is a hint: a row that was written since, or that
//! the database has moved, is not found there, and is looked for by its name.

use std::collections::HashMap;

use crate::store::Name;

/// Most places that are kept from one batch to the next: some more than a writer keeps resources in
/// memory.
const MAX_PLACES: usize = 100_000;

/// Half of a page is kept free for old versions of its rows, in bytes.
const HALF_PAGE: usize = 4096;
/// Most bytes that most rows take, apart from the name.
const MAX_ROW: usize = 200;

#[derive(Debug, Default)]
pub(super) struct Places(HashMap<Name, Place>);

#[derive(Debug)]
struct Place {
    ctid: String,
    /// Whether the row of the name says that the resource is in use, as far as is known.
    in_use: bool,
}

impl Places {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|place| place.ctid.as_str())
    }

    /// The pages, of those where the rows of these names are, that may have many old versions. The
    /// number of a row on its page tells.
    pub(super) fn crowded<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<i64> {
        let page = |name: &str| {
            let (page, row) = self.get(name)?.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
            let is_crowded = row.parse::<usize>().ok()? >= HALF_PAGE / (MAX_ROW + name.len());
            page.parse().ok().filter(|_| is_crowded)
        };
        let mut pages: Vec<i64> = names.filter_map(page).collect();
        pages.sort_unstable();
        pages.dedup();
        pages
    }

    /// Call it before a batch.
    pub(super) fn make_room(&mut self) {
        if self.0.len() >= MAX_PLACES {
            self.0.clear();
        }
    }

    /// Whether the row of the name is known to say that the resource is in use.
    pub(super) fn is_in_use(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|place| place.in_use)
    }

    /// A row that another server may have changed since.
    pub(super) fn found(&mut self, name: &Name, ctid: String) {
        self.0.insert(Name::clone(name), Place { ctid, in_use: false });
    }

    /// A row that no other server has changed since.
    pub(super) fn moved(&mut self, name: &Name, ctid: String) {
        match self.0.get_mut(name) {
            Some(place) => place.ctid = ctid,
            None => self.found(name, ctid),
        }
    }

    /// What the row of the name says now.
    pub(super) fn set_in_use(&mut self, name: &Name, in_use: bool) {
        if let Some(place) = self.0.get_mut(name) {
            place.in_use = in_use;
        }
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_crowded_once_rows_have_high_numbers() {
        let mut places = Places::default();
        let long = "long".repeat(50);
        for (name, place) in [("a", "(7,19)"), ("b", "(8,20)"), ("c", "(8,21)"), (&long, "(9,10)")] {
            places.found(&Name::from(name), place.into());
        }
        assert_eq!(places.crowded(["a", "b", "c", "unknown", &long].into_iter()), [8, 9]);
    }

    #[test]
    fn the_number_of_places_is_bounded_from_batch_to_batch() {
        let mut places = Places::default();
        for number in 0..=MAX_PLACES {
            places.found(&Name::from(number.to_string()), "(0,1)".into());
        }
        assert_eq!(places.get("0"), Some("(0,1)"), "a batch keeps what it has found");
        places.make_room();
        assert_eq!(places.get("0"), None);
    }
}
