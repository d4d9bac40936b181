//! A version and a checksum in front of what they are about.

use dlm_engine::Micros;

use super::CodecError;
use super::primitive::{Input, Output};

/// The version of the encoding. Another one is refused.
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// Encodes a section behind what the output contains already.
pub(super) fn encode(output: &mut Output, content: impl FnOnce(&mut Output)) {
    output.byte(VERSION);
    let start = output.bytes().len();
    output.append(&[0; CHECKSUM_BYTES]);
    content(output);
    let sum = checksum(output.at(), &output.bytes()[start + CHECKSUM_BYTES..]);
    output.overwrite(start, &sum);
}

/// Checks a section that fills `data`. Returns its content.
pub(super) fn decode(at: Micros, data: &[u8]) -> Result<Input<'_>, CodecError> {
    let (&version, rest) = data.split_first().ok_or(CodecError::Truncated)?;
    if version != VERSION {
        return Err(CodecError::Version(version));
    }
    let (sum, content) = rest.split_first_chunk::<CHECKSUM_BYTES>().ok_or(CodecError::Truncated)?;
    if *sum != checksum(at, content) {
        return Err(CodecError::Checksum);
    }
    Ok(Input::new(at, content))
}

/// Covers the instant too: all others are differences to it.
fn checksum(at: Micros, content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&at.0.to_le_bytes());
    hasher.update(content);
    hasher.finalize().to_le_bytes()
}
