//! How operations get to the server and their answers back.
//!
//! `http` is the one way there is. Another one, such as a socket that carries
//! many operations, is a module beside it with the same operations, the same
//! answers and the same [`Failure`].

mod address;
mod answer;
mod failure;
mod http;
mod pool;

pub(crate) use address::{Address, segment};
pub(crate) use failure::Failure;
pub(crate) use http::{Acquired, Http};
