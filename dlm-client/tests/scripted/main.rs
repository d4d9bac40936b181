//! The client against a server that follows a script: for what a real one can't
//! be made to do on demand, such as losing an answer.

mod answers;
mod guards;
mod locking;
mod releasing;
mod renewing;
mod server;
