//! The session: one socket for everything.
//!
//! Whatever is asked while the socket is up goes out together, in one write,
//! and whatever has come is read together. The socket owns nothing: when it
//! breaks, what was unanswered fails as an attempt and is repeated with the
//! same keys.
//!
//! - `link`: what the rest of the client has of it
//! - `serve`: connecting, again and again
//! - `drive`: one socket while it lasts

mod drive;
mod link;
mod serve;

pub(crate) use link::Link;
pub(crate) use serve::{News, serve};
