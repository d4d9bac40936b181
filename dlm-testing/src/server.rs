//! The test server.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use dlm_client::{Client, ClientBuilder, LockGuard, LockStatus, TransportKind};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::faults::AcquireFault;
use crate::front::Front;
use crate::thread::{self, Started};

/// How often a condition is checked.
const POLL: Duration = Duration::from_millis(2);
/// How long to wait for a condition: a test that waits longer is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// A dlm server in the process of the test, with a database in a temporary directory.
///
/// Each is a server of its own, so tests can run in parallel. It stops when it is dropped.
///
/// # Examples
///
/// ```
/// use dlm_testing::TestServer;
///
/// let server = TestServer::start();
/// let client = server.client_blocking();
/// let guard = client.lock_blocking("orders/42").unwrap();
/// assert_eq!(server.status("orders/42").holder_count, 1);
///
/// server.lose("orders/42");
/// while guard.is_held() {} // a moment
/// ```
#[derive(Debug)]
pub struct TestServer {
    url: String,
    front: Arc<Front>,
    /// Of the test itself: it goes past the front.
    operator: Client,
    runtime: Handle,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
    _database: TempDir,
}

impl TestServer {
    /// Starts a server on a free port of `127.0.0.1`.
    ///
    /// # Panics
    ///
    /// If the server can't be started.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        let database = tempfile::tempdir().expect("a temporary directory");
        let url = format!("sqlite://{}", database.path().join("dlm.db").display());
        let stop = CancellationToken::new();
        let (started, start) = mpsc::channel();
        let thread = std::thread::Builder::new().name("dlm-testing".into()).spawn({
            let stop = stop.clone();
            move || thread::run(url, &stop, &started)
        });
        let thread = thread.expect("a thread");
        let Started { url, front, runtime } =
            start.recv().expect("the thread starts the server").expect("the server starts");
        let operator = Client::builder().address(format!("http://{}", front.server)).owner("the test");
        let operator = operator.transport(TransportKind::Http).connect_lazy().expect("a valid address");
        Self { url, front, operator, runtime, stop, thread: Some(thread), _database: database }
    }

    /// The address to give to the program under test, such as `http://127.0.0.1:43121`.
    ///
    /// # Examples
    ///
    /// ```
    /// let server = dlm_testing::TestServer::start();
    /// assert!(server.url().starts_with("http://127.0.0.1:"));
    /// ```
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A builder of clients of this server, which use the session only, so that a loss is known at
    /// once.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// let server = dlm_testing::TestServer::start();
    /// let client = server.client_builder().default_ttl(Duration::from_millis(200)).connect_blocking();
    /// client.unwrap().lock_blocking("orders/42").unwrap();
    /// ```
    pub fn client_builder(&self) -> ClientBuilder {
        Client::builder().address(&self.url).transport(TransportKind::Session)
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

    /// Ends all leases on `name`, as an operator would: their holders lose the lock.
    ///
    /// # Panics
    ///
    /// If nobody holds it.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), dlm_client::Error> {
    /// let server = dlm_testing::TestServer::start();
    /// let client = server.client().await;
    /// let guard = client.lock("orders/42").await?;
    /// server.lose("orders/42");
    /// assert_eq!(guard.lost().await, dlm_client::LossReason::ForceReleased);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn lose(&self, name: &str) {
        let holders = self.status(name).holders;
        assert!(!holders.is_empty(), "nobody holds `{name}`");
        for holder in holders {
            let (operator, resource) = (self.operator.clone(), name.to_owned());
            let released = self.call(async move {
                operator.force_release(resource, holder.fencing_token, "the test wants it so").await
            });
            released.expect("the server ends the lease");
        }
    }

    /// Takes the lock on `name`, as somebody else than the program under test. It is free again when
    /// the guard is dropped.
    ///
    /// # Panics
    ///
    /// If somebody holds it.
    ///
    /// # Examples
    ///
    /// ```
    /// let server = dlm_testing::TestServer::start();
    /// let other = server.hold("nightly");
    /// assert!(server.client_blocking().try_lock_blocking("nightly").unwrap().is_none());
    /// drop(other);
    /// ```
    #[track_caller]
    pub fn hold(&self, name: &str) -> LockGuard {
        let (operator, resource) = (self.operator.clone(), name.to_owned());
        let held = self.call(async move { operator.try_lock(resource).await });
        held.expect("the server replies").unwrap_or_else(|| panic!("somebody holds `{name}`"))
    }

    /// Makes the next acquire of `name` go wrong. It is not executed. Several faults are for one
    /// acquire each, in order.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::time::Duration;
    ///
    /// use dlm_testing::{AcquireFault, TestServer};
    ///
    /// let server = TestServer::start();
    /// let client = server.client().await;
    /// server.next_acquire("orders/42", AcquireFault::TimesOut);
    /// let waited = client.lock("orders/42").wait(Duration::from_secs(3600)).await;
    /// assert!(waited.unwrap_err().is_timeout());
    /// # }
    /// ```
    pub fn next_acquire(&self, name: &str, fault: AcquireFault) {
        self.front.faults.add(name, fault);
    }

    /// Makes the server unreachable until the result is dropped: its connections break, and no
    /// new ones can be opened.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), dlm_client::Error> {
    /// use std::time::Duration;
    ///
    /// let server = dlm_testing::TestServer::start();
    /// let client = server.client().await;
    /// let guard = client.lock("orders/42").ttl(Duration::from_millis(100)).await?;
    /// let away = server.away();
    /// // It can't be renewed.
    /// assert_eq!(guard.lost().await, dlm_client::LossReason::Deadline);
    /// drop(away);
    /// # Ok(())
    /// # }
    /// ```
    pub fn away(&self) -> Away {
        self.front.away.send_replace(true);
        Away(Arc::clone(&self.front))
    }

    /// The status of a lock: its holders and waiters.
    ///
    /// # Panics
    ///
    /// If the name is invalid.
    #[must_use]
    #[track_caller]
    pub fn status(&self, name: &str) -> LockStatus {
        let (operator, resource) = (self.operator.clone(), name.to_owned());
        self.call(async move { operator.status(resource).await }).expect("the server replies")
    }

    /// Waits until somebody holds `name`.
    ///
    /// # Panics
    ///
    /// If that takes 30 s.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it only reads.
    pub async fn wait_until_held(&self, name: &str) {
        self.wait_until(name, "holds", |status| status.holder_count > 0).await;
    }

    /// Waits until `waiters` requests wait for `name`.
    ///
    /// # Panics
    ///
    /// If that takes 30 s.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it only reads.
    pub async fn wait_for_waiters(&self, name: &str, waiters: u64) {
        self.wait_until(name, "waits for", |status| status.queue_len >= waiters).await;
    }

    async fn wait_until(&self, name: &str, what: &str, condition: impl Fn(&LockStatus) -> bool) {
        let mut waited = Duration::ZERO;
        loop {
            let status = self.operator.status(name).await.expect("the server replies");
            if condition(&status) {
                return;
            }
            assert!(waited < PATIENCE, "nobody {what} `{name}`: {status:?}");
            // The caller may have no runtime.
            let pause = self.runtime.spawn(async { tokio::time::sleep(POLL).await });
            pause.await.expect("the server runs");
            waited += POLL;
        }
    }

    /// Runs an operation on the thread of the server, and blocks until it is done.
    fn call<T: Send + 'static>(&self, operation: impl Future<Output = T> + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        self.front.tasks.spawn_on(
            async move {
                // The test waits.
                done.send(operation.await).ok();
            },
            &self.runtime,
        );
        result.recv().expect("the server runs")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been printed.
            thread.join().ok();
        }
    }
}

/// The server is unreachable while this lives. Created by [`TestServer::away`].
#[derive(Debug)]
#[must_use = "the server comes back when this is dropped"]
pub struct Away(Arc<Front>);

impl Drop for Away {
    fn drop(&mut self) {
        self.0.away.send_replace(false);
    }
}
