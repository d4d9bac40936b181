//! Tests of the client against a scripted server, for what a real server cannot be
//! made to do on demand, such as losing a reply.
#![expect(clippy::disallowed_methods, reason = "the tests measure and spawn as a user of the client would")]

mod access;
mod access_loss;
mod answers;
mod blocking;
mod deadlines;
mod errors;
mod events;
mod failover;
mod guards;
mod handover;
mod http;
mod lazy;
mod link;
mod locking;
mod newer_server;
mod order;
mod places;
mod reentrancy;
mod releasing;
mod renewing;
mod replies;
mod server;
mod sessions;
mod socket;
mod spans;
mod time;
mod tls;
#[cfg(unix)]
mod unix;
