//! Clients of the test server.

use std::sync::PoisonError;

use dlm_client::{Client, ClientBuilder, TransportKind};

use crate::server::TestServer;

impl TestServer {
    /// A builder of clients of this server. They use the session only, so that a loss is known at
    /// once, and their time is moved by [`advance`](Self::advance).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// let server = dlm_testing::TestServer::start();
    /// let client = server.client_builder().default_ttl(Duration::from_secs(5)).connect_blocking();
    /// client.unwrap().lock_blocking("orders/42").unwrap();
    /// ```
    pub fn client_builder(&self) -> ClientBuilder {
        let time = self.time.lock().unwrap_or_else(PoisonError::into_inner);
        Client::builder().addresses([&*self.url]).transport(TransportKind::Session).test_time(&time)
    }

    /// A client of this server.
    ///
    /// # Panics
    ///
    /// If the client can't connect.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no connection remains.
    pub async fn client(&self) -> Client {
        self.client_builder().connect().await.expect("the test server is ready")
    }

    /// A client of this server, for tests without async.
    ///
    /// # Panics
    ///
    /// If the client can't connect, and in async tasks.
    #[must_use]
    #[track_caller]
    pub fn client_blocking(&self) -> Client {
        self.client_builder().connect_blocking().expect("the test server is ready")
    }
}
