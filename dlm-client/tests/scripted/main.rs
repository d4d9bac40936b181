//! The client against a server that follows a script: for what a real one can't
//! be made to do on demand, such as losing an answer.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]
#![expect(clippy::disallowed_methods, reason = "the tests measure and spawn as the client's user would")]

mod answers;
mod guards;
mod locking;
mod releasing;
mod renewing;
mod server;
mod sessions;
mod socket;
mod spans;
