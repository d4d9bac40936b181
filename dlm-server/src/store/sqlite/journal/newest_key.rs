//! Which keys are newer than all in the tables, and so need not be looked up in them.

use diesel::sqlite::SqliteConnection;

use crate::store::StoreError;
use crate::store::sqlite::fixed::{self, NewestStoredKey};

/// The newest key in `claims` of those that are UUIDs of version 7, which begin with the time.
/// The SDK's are, so nearly all keys that arrive are newer.
#[derive(Debug, Default)]
pub(in crate::store::sqlite) struct NewestKey(String);

impl NewestKey {
    /// Reads it from the table.
    pub(in crate::store::sqlite) fn load(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        let newest: Vec<String> = fixed::load::<NewestStoredKey, _, 0>(connection, [])?;
        Ok(Self(newest.into_iter().next().unwrap_or_default()))
    }

    /// The table may have this key now.
    pub(super) fn raise(&mut self, key: &str) {
        if begins_with_time(key) && *self.0 < *key {
            self.0.clear();
            self.0.push_str(key);
        }
    }

    /// Whether the table can't have this key.
    pub(super) fn is_before(&self, key: &str) -> bool {
        begins_with_time(key) && *self.0 < *key
    }
}

/// Whether a key looks like a UUID of version 7, until the year 2527. [`NewestStoredKey`] finds all
/// of these.
fn begins_with_time(key: &str) -> bool {
    let bytes = key.as_bytes();
    bytes.len() == 36 && bytes[0] == b'0' && bytes[14] == b'7' && key.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "01900000-0000-7000-8000-000000000000";
    const NEW: &str = "01900000-0001-7000-8000-000000000000";

    #[test]
    fn only_what_is_newer_than_all_need_not_be_looked_up() {
        let mut newest = NewestKey::default();
        assert!(newest.is_before(OLD), "an empty table");
        newest.raise(NEW);
        newest.raise(OLD);
        assert!(!newest.is_before(OLD));
        assert!(!newest.is_before(NEW));
        assert!(newest.is_before("01900000-0002-7000-8000-000000000000"));
    }

    #[test]
    fn keys_of_other_kinds_are_looked_up_and_hide_no_newer_ones() {
        let mut newest = NewestKey::default();
        let others = [
            "zzz",
            "0",
            "",
            "01900000-0001-4000-8000-000000000000",
            "f1900000-0001-7000-8000-000000000000",
            "0190000-00001-7000-8000-00000000000é",
        ];
        for other in others {
            assert!(!newest.is_before(other), "{other}");
            newest.raise(other);
        }
        assert!(newest.is_before(OLD));
    }
}
