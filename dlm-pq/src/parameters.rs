//! The parameters of a request.

use std::ffi::{c_char, c_int};
use std::marker::PhantomData;
use std::ptr;

use diesel::result::{Error, QueryResult};

/// Parameters as libpq takes them. It borrows the values.
pub(crate) struct Parameters<'a> {
    pub(crate) count: c_int,
    pub(crate) values: Vec<*const c_char>,
    pub(crate) lengths: Vec<c_int>,
    pub(crate) formats: Vec<c_int>,
    _values: PhantomData<&'a [u8]>,
}

impl<'a> Parameters<'a> {
    pub(crate) fn new(parameters: &'a [Option<Vec<u8>>]) -> QueryResult<Self> {
        let value =
            |value: &Option<Vec<u8>>| value.as_ref().map_or(ptr::null(), |value| value.as_ptr().cast());
        let length = |value: &Option<Vec<u8>>| value.as_ref().map_or(Ok(0), |value| count(value.len()));
        Ok(Self {
            count: count(parameters.len())?,
            values: parameters.iter().map(value).collect(),
            lengths: parameters.iter().map(length).collect::<Result<_, _>>()?,
            formats: vec![1; parameters.len()],
            _values: PhantomData,
        })
    }
}

pub(crate) fn count(length: usize) -> QueryResult<c_int> {
    c_int::try_from(length).map_err(|error| Error::SerializationError(error.into()))
}
