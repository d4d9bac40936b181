//! What is encoded is decoded unchanged, and nothing else is.

mod generated;

use dlm_engine::{ClaimChange, Event, Micros, RowChange};
use proptest::prelude::*;

use super::{CodecError, DecodedBatch, DecodedClaim, DecodedWrite, Encoder, decode, decode_events, section};
use crate::store::{BatchWrite, LoggedEvent, Name, ResourceWrite};
use generated::{Batch, batches};

/// The number of each batch, and where its resources had events before.
const NUMBER: i64 = 70_000;
const LAST_EVENTS: i64 = 321;

/// A row of the journal.
struct Row {
    at: Micros,
    data: Vec<u8>,
    events: Vec<u8>,
}

impl Batch {
    fn encode(&self, encoder: &mut Encoder) -> Row {
        let writes: Vec<_> = self
            .writes
            .iter()
            .map(|(name, row, claims)| ResourceWrite {
                name,
                row: row.clone(),
                stored_check_at: None,
                last_events: LAST_EVENTS,
                has_events: self.has_events(name),
                claims: claims.iter().collect(),
            })
            .collect();
        let encoded =
            encoder.encode(NUMBER, &BatchWrite { now: self.at, writes: &writes, events: &self.events });
        let events = encoded.data[encoded.events.clone()].to_vec();
        Row { at: self.at, data: encoded.data.to_vec(), events }
    }

    /// What decoding its row yields.
    fn decoded(&self) -> Vec<DecodedWrite> {
        let write = |(name, row, claims): &(Name, RowChange, Vec<ClaimChange>)| DecodedWrite {
            name: Name::clone(name),
            row: row.clone(),
            last_events: if self.has_events(name) { NUMBER } else { LAST_EVENTS },
            claims: claims.iter().map(decoded_claim).collect(),
        };
        self.writes.iter().map(write).collect()
    }

    fn has_events(&self, name: &Name) -> bool {
        self.events.iter().any(|(found, _)| found == name)
    }

    fn logged(&self) -> Vec<LoggedEvent<'_>> {
        self.events.iter().map(|(name, event): &(Name, Event)| LoggedEvent::new(name, event)).collect()
    }
}

fn decoded_claim(change: &ClaimChange) -> DecodedClaim {
    let mut claim = (*change.claim).clone();
    let mode = claim.mode();
    claim.request = claim.request.filter(|_| change.insert);
    DecodedClaim { claim, mode, check_at: change.check_at, insert: change.insert, was_live: change.was_live }
}

/// The same content with a checksum that matches.
fn sealed(at: Micros, content: &[u8]) -> Vec<u8> {
    let mut output = super::primitive::Output::default();
    output.start(at);
    section::encode(&mut output, |output| output.append(content));
    output.bytes().to_vec()
}

const HEADER: usize = 5;

proptest! {
    #[test]
    fn a_batch_is_decoded_unchanged(first in batches(), second in batches()) {
        let mut encoder = Encoder::default();
        for batch in [first, second] {
            let row = batch.encode(&mut encoder);
            let DecodedBatch { writes, events } = decode(row.at, &row.data).unwrap();
            prop_assert_eq!(writes, batch.decoded());
            prop_assert_eq!(&row.data[events], &row.events[..]);
            if batch.events.is_empty() {
                prop_assert!(row.events.is_empty());
            } else {
                prop_assert_eq!(decode_events(row.at, &row.events).unwrap(), batch.logged());
            }
        }
    }

    #[test]
    fn a_damaged_row_is_an_error(batch in batches(), at in any::<prop::sample::Index>(), mask in 1..=255_u8) {
        let row = batch.encode(&mut Encoder::default());
        for (data, is_row) in [(&row.data, true), (&row.events, false)] {
            if data.is_empty() {
                continue;
            }
            let fails = |instant, data: &[u8]| match is_row {
                true => decode(instant, data).is_err(),
                false => decode_events(instant, data).is_err(),
            };
            let at = at.index(data.len());
            prop_assert!(fails(row.at, &data[..at]));
            let mut flipped = data.clone();
            flipped[at] ^= mask;
            prop_assert!(fails(row.at, &flipped));
            let longer: Vec<u8> = data.iter().copied().chain([mask]).collect();
            prop_assert!(fails(row.at, &longer));
            prop_assert!(fails(Micros(row.at.0 ^ i64::from(mask)), data));
        }
    }

    /// A checksum that matches does not make the content valid: decoding must not rely on it.
    #[test]
    fn a_damaged_content_does_not_panic(
        batch in batches(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let row = batch.encode(&mut Encoder::default());
        for data in [&row.data, &row.events].into_iter().filter(|data| data.len() > HEADER) {
            let mut content = data[HEADER..].to_vec();
            let _ = decode(row.at, &sealed(row.at, &content[..cut.index(content.len())]));
            for (index, byte) in &edits {
                let index = index.index(content.len());
                content[index] = *byte;
            }
            let _ = decode(row.at, &sealed(row.at, &content));
            let _ = decode_events(row.at, &sealed(row.at, &content));
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let at = Micros(7);
        prop_assert!(decode(at, &bytes).is_err());
        let _ = decode(at, &sealed(at, &bytes));
        let _ = decode_events(at, &sealed(at, &bytes));
    }
}

#[test]
fn another_version_is_refused() {
    let at = Micros(7);
    let mut row = sealed(at, &[0, 0]);
    assert_eq!(decode(at, &row), Ok(DecodedBatch { writes: Vec::new(), events: HEADER + 1..HEADER + 1 }));
    row[0] = 2;
    assert_eq!(decode(at, &row), Err(CodecError::Version(2)));
    assert_eq!(decode_events(at, &row), Err(CodecError::Version(2)));
}

#[test]
fn a_frequent_batch_takes_few_bytes() {
    let batch = generated::cycles(64);
    let row = batch.encode(&mut Encoder::default());
    assert!(row.data.len() < 64 * 110, "{}", row.data.len());
}
