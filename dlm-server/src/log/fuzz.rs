//! Fuzz target of cursors.

use super::Cursor;

const LOG: u64 = 0x0102_0304_0506_0708;

/// A text is decoded only if it is what its cursor is encoded as, and only by its log.
pub fn cursor(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(cursor) = Cursor::decode(&text, LOG) {
        assert_eq!(cursor.encode(LOG), text);
        assert!(Cursor::decode(&text, !LOG).is_err(), "a cursor of another log");
        // Neither may overflow.
        cursor.check(i64::MAX, i64::MAX - 1).ok();
        cursor.check(0, 0).ok();
    }
    if let Some((position, rest)) = input.split_first_chunk::<8>() {
        let position = i64::from_be_bytes(*position) & i64::MAX;
        let index = rest.first_chunk::<4>().map_or(0, |index| u32::from_be_bytes(*index));
        let cursor = Cursor { position, index };
        assert_eq!(Cursor::decode(&cursor.encode(LOG), LOG), Ok(cursor));
    }
}
