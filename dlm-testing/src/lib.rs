//! A dlm server for the tests of programs that use locks.
//!
//! [`TestServer`] is a real server, with the real rules, that runs in the process of the test, on
//! a free port or without a network. The test makes happen what takes time or bad luck otherwise: a lock is lost, a
//! request times out, fails or hangs, the server is away.
//!
//! ```
//! use dlm_client::{Client, Error};
//! use dlm_testing::TestServer;
//!
//! /// The program: it must stop when its lock is lost.
//! async fn copy_rows(client: &Client) -> Result<(), Error> {
//!     client.with_lock("rows", async |_| std::future::pending().await).await
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let server = TestServer::start();
//! let client = server.client().await;
//! let (copied, ()) = tokio::join!(copy_rows(&client), async {
//!     server.wait_until_held("rows").await;
//!     server.lose("rows");
//! });
//! assert!(copied.unwrap_err().is_lost());
//! # }
//! ```
//!
//! Nothing here imitates the rules of locks. Between the clients and the server there is a
//! front that passes everything on, except for the acquires that the test wants to go wrong.
//!
//! Time passes when the test says so: [`advance`](TestServer::advance) makes leases expire and waits
//! time out, in milliseconds. [`lose`](TestServer::lose) needs no time at all.
//!
//! [`TestServer::start`] listens on a free port of `127.0.0.1`. Nothing leaves the machine.
//! [`TestServer::start_without_network`] listens on a Unix socket, and nothing in it uses TCP: it is
//! for sandboxes that have not even a loopback interface. Either way clients connect as they connect
//! to any other server, and both are tested with the same tests.
//!
//! The functions of the server block for as long as it takes to answer, some milliseconds, and may be
//! called in async tests and others. They panic where a test would only unwrap.
//!
//! # Layout
//!
//! - `server`: the [`TestServer`]; `clients`: its clients; `waits`: waits for what the program under test does
//! - `thread`: the thread that it runs on
//! - `front`: accepts the connections of clients and passes their requests on
//! - `transport`: loopback, or Unix sockets
//! - `bridge`: passes the messages of WebSockets on
//! - `faults`: the acquires that go wrong; `away`: a server that can't be reached
#![deny(missing_docs)]

mod away;
mod bridge;
mod clients;
mod faults;
mod front;
mod server;
mod thread;
mod transport;
mod waits;

pub use away::Away;
pub use faults::AcquireFault;
pub use server::TestServer;
