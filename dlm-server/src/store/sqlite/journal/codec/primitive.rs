//! Integers, texts and instants.

use std::str;

use dlm_engine::Micros;

use super::CodecError;

/// Bytes to which values are appended.
#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    /// The instant to which all others are differences.
    at: i64,
}

impl Output {
    /// Starts over.
    pub(super) fn start(&mut self, at: Micros) {
        self.bytes.clear();
        self.at = at.0;
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn at(&self) -> Micros {
        Micros(self.at)
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn overwrite(&mut self, start: usize, bytes: &[u8]) {
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    pub(super) fn signed(&mut self, value: i64) {
        self.unsigned(((value << 1) ^ (value >> 63)) as u64);
    }

    pub(super) fn instant(&mut self, at: Micros) {
        self.signed(at.0.wrapping_sub(self.at));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.unsigned(text.len() as u64);
        self.append(text.as_bytes());
    }
}

/// Bytes that are being decoded.
#[derive(Debug)]
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: i64,
}

impl<'a> Input<'a> {
    pub(super) fn new(at: Micros, bytes: &'a [u8]) -> Self {
        Self { bytes, at: at.0 }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    /// Fails if anything is left.
    pub(super) fn end(&self) -> Result<(), CodecError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(CodecError::Invalid("end")) }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(CodecError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(CodecError::Truncated)?;
        self.bytes = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, CodecError> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn unsigned(&mut self) -> Result<u64, CodecError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(CodecError::Invalid("integer"))
    }

    pub(super) fn signed(&mut self) -> Result<i64, CodecError> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(super) fn instant(&mut self) -> Result<Micros, CodecError> {
        Ok(Micros(self.signed()?.wrapping_add(self.at)))
    }

    /// A number of bytes, or of things that take at least a byte each.
    pub(super) fn length(&mut self) -> Result<usize, CodecError> {
        let length = usize::try_from(self.unsigned()?).map_err(|_| CodecError::Truncated)?;
        if length <= self.left() { Ok(length) } else { Err(CodecError::Truncated) }
    }

    pub(super) fn text(&mut self) -> Result<&'a str, CodecError> {
        let length = self.length()?;
        str::from_utf8(self.take(length)?).map_err(|_| CodecError::Invalid("text"))
    }
}
