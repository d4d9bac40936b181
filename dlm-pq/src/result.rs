//! The handle of a libpq result.

use std::ffi::{CStr, c_char, c_int};
use std::ptr::NonNull;

use pq_sys::{ExecStatusType, PGresult};

use crate::error::Report;

/// The type code of the message field with the SQLSTATE, and of the others.
pub(crate) mod field {
    pub(crate) const SQLSTATE: u8 = b'C';
    pub(crate) const MESSAGE: u8 = b'M';
    pub(crate) const DETAIL: u8 = b'D';
    pub(crate) const HINT: u8 = b'H';
    pub(crate) const TABLE: u8 = b't';
    pub(crate) const COLUMN: u8 = b'c';
    pub(crate) const CONSTRAINT: u8 = b'n';
    pub(crate) const POSITION: u8 = b'P';
}

/// The result of a statement.
#[derive(Debug)]
pub(crate) struct RawResult(NonNull<PGresult>);

impl RawResult {
    /// Takes ownership of a result that libpq returned.
    pub(crate) fn new(result: NonNull<PGresult>) -> Self {
        Self(result)
    }

    pub(crate) fn status(&self) -> ExecStatusType {
        // SAFETY: the result is valid until `drop`.
        unsafe { pq_sys::PQresultStatus(self.0.as_ptr()) }
    }

    pub(crate) fn report(&self) -> Report {
        // SAFETY: the result is valid until `drop`.
        let field = |field| unsafe { error_field(self.0.as_ptr(), field) };
        let whole = || {
            // SAFETY: the result is valid until `drop`.
            unsafe { text(pq_sys::PQresultErrorMessage(self.0.as_ptr())) }.unwrap_or_default()
        };
        Report {
            sqlstate: field(field::SQLSTATE),
            message: field(field::MESSAGE).unwrap_or_else(whole),
            detail: field(field::DETAIL),
            hint: field(field::HINT),
            table: field(field::TABLE),
            column: field(field::COLUMN),
            constraint: field(field::CONSTRAINT),
            position: field(field::POSITION).and_then(|position| position.parse().ok()),
        }
    }

    /// How many rows the statement changed.
    pub(crate) fn affected(&self) -> usize {
        // SAFETY: the result is valid, and the text is copied at once.
        let affected = unsafe { text(pq_sys::PQcmdTuples(self.0.as_ptr())) };
        affected.and_then(|affected| affected.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn rows(&self) -> usize {
        // SAFETY: the result is valid until `drop`.
        usize::try_from(unsafe { pq_sys::PQntuples(self.0.as_ptr()) }).unwrap_or(0)
    }

    pub(crate) fn columns(&self) -> usize {
        // SAFETY: the result is valid until `drop`.
        usize::try_from(unsafe { pq_sys::PQnfields(self.0.as_ptr()) }).unwrap_or(0)
    }

    pub(crate) fn column_name(&self, column: usize) -> Option<&str> {
        // SAFETY: the result is valid, and so is the name as long as it is.
        // libpq checks the index.
        unsafe {
            let name = pq_sys::PQfname(self.0.as_ptr(), c_int::try_from(column).ok()?);
            if name.is_null() { None } else { CStr::from_ptr(name).to_str().ok() }
        }
    }

    pub(crate) fn column_type(&self, column: usize) -> u32 {
        // SAFETY: the result is valid; libpq checks the index.
        unsafe { pq_sys::PQftype(self.0.as_ptr(), c_int::try_from(column).unwrap_or(-1)) }
    }

    /// The bytes of a value; `None` for NULL.
    pub(crate) fn value(&self, row: usize, column: usize) -> Option<&[u8]> {
        if row >= self.rows() || column >= self.columns() {
            return None;
        }
        let (row, column) = (c_int::try_from(row).ok()?, c_int::try_from(column).ok()?);
        // SAFETY: the result is valid, the indexes are in range, and libpq keeps
        // `PQgetlength` bytes at the address as long as the result lives.
        unsafe {
            if pq_sys::PQgetisnull(self.0.as_ptr(), row, column) == 1 {
                return None;
            }
            let length = usize::try_from(pq_sys::PQgetlength(self.0.as_ptr(), row, column)).ok()?;
            let value = pq_sys::PQgetvalue(self.0.as_ptr(), row, column);
            Some(std::slice::from_raw_parts(value.cast(), length))
        }
    }
}

impl Drop for RawResult {
    fn drop(&mut self) {
        // SAFETY: the result is ours, and nobody uses it after this.
        unsafe { pq_sys::PQclear(self.0.as_ptr()) };
    }
}

/// The text behind a C string, if there is one.
///
/// # Safety
///
/// `text` is null or a C string that is valid during the call.
pub(crate) unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// # Safety
///
/// `result` is valid during the call.
pub(crate) unsafe fn error_field(result: *const PGresult, field: u8) -> Option<String> {
    // SAFETY: as the caller promises.
    unsafe { text(pq_sys::PQresultErrorField(result, field.into())) }
}
