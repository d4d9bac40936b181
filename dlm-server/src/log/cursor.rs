//! The cursor: a position in the event log of one database.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Points right after the event with this index in the batch at this position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cursor {
    pub(crate) position: i64,
    pub(crate) index: u32,
}

/// Why the log can't be read from a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CursorError {
    /// The cursor was not issued for this log.
    Invalid,
    /// The events after the cursor have been trimmed.
    Expired,
}

impl Cursor {
    /// Before the first event of any log.
    pub(crate) const START: Self = Self { position: 0, index: u32::MAX };

    /// After the last event of a batch.
    pub(crate) const fn after_batch(position: i64) -> Self {
        Self { position, index: u32::MAX }
    }

    /// Right before the event that this cursor points after.
    pub(crate) const fn previous(self) -> Self {
        match self.index {
            0 => Self::after_batch(self.position - 1),
            index => Self { position: self.position, index: index - 1 },
        }
    }

    /// The first position that may have events after this cursor.
    pub(crate) const fn next_position(self) -> i64 {
        if self.index == u32::MAX { self.position + 1 } else { self.position }
    }

    pub(crate) fn encode(self, log_id: u64) -> String {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&log_id.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.position.to_be_bytes());
        bytes[16..].copy_from_slice(&self.index.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Decodes a cursor of the log with this id.
    pub(crate) fn decode(text: &str, log_id: u64) -> Result<Self, CursorError> {
        Self::decode_bytes(text, log_id).ok_or(CursorError::Invalid)
    }

    fn decode_bytes(text: &str, log_id: u64) -> Option<Self> {
        let bytes: [u8; 20] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (log, rest) = bytes.split_first_chunk::<8>()?;
        let (position, rest) = rest.split_first_chunk::<8>()?;
        let index = rest.first_chunk::<4>()?;
        let position = i64::from_be_bytes(*position);
        (u64::from_be_bytes(*log) == log_id && position >= 0)
            .then_some(Self { position, index: u32::from_be_bytes(*index) })
    }

    /// Checks that a log with this head and this last trimmed position can be
    /// read from here.
    pub(crate) fn check(self, head: i64, trimmed: i64) -> Result<(), CursorError> {
        if self.position > head {
            Err(CursorError::Invalid)
        } else if self < Self::after_batch(trimmed) {
            Err(CursorError::Expired)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_log_that_issued_a_cursor_decodes_it() {
        let cursor = Cursor { position: 7, index: 3 };
        assert_eq!(Cursor::decode(&cursor.encode(9), 9), Ok(cursor));
        assert_eq!(Cursor::decode(&cursor.encode(9), 8), Err(CursorError::Invalid));
        for text in ["", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="] {
            assert_eq!(Cursor::decode(text, 9), Err(CursorError::Invalid));
        }
    }
}
