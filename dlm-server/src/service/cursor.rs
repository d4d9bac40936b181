//! The cursor: a place in the event log of one database.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// After the event with this index in the batch at this position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cursor {
    pub(crate) position: i64,
    pub(crate) index: u32,
}

impl Cursor {
    /// Before the first event there can be.
    pub(crate) const START: Self = Self { position: 0, index: u32::MAX };

    /// After the last event of a batch.
    pub(crate) const fn after_batch(position: i64) -> Self {
        Self { position, index: u32::MAX }
    }

    pub(crate) fn encode(self, log_id: u64) -> String {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&log_id.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.position.to_be_bytes());
        bytes[16..].copy_from_slice(&self.index.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place, if the text is a cursor of this log.
    pub(crate) fn decode(text: &str, log_id: u64) -> Option<Self> {
        let bytes: [u8; 20] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (log, rest) = bytes.split_first_chunk::<8>()?;
        let (position, rest) = rest.split_first_chunk::<8>()?;
        let index = rest.first_chunk::<4>()?;
        let position = i64::from_be_bytes(*position);
        (u64::from_be_bytes(*log) == log_id && position >= 0)
            .then_some(Self { position, index: u32::from_be_bytes(*index) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_by_its_own_log_alone() {
        let cursor = Cursor { position: 7, index: 3 };
        assert_eq!(Cursor::decode(&cursor.encode(9), 9), Some(cursor));
        assert_eq!(Cursor::decode(&cursor.encode(9), 8), None);
        for text in ["", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="] {
            assert_eq!(Cursor::decode(text, 9), None);
        }
    }
}
