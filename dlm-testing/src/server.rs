//! The test server.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use dlm_client::{Client, LockGuard, LockStatus, TestTime, TransportKind};
use dlm_server::Service;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::away::Away;
use crate::faults::AcquireFault;
use crate::front::Front;
use crate::thread::{self, Started};
use crate::transport::Transport;

/// The longest term there is.
const DAY: Duration = Duration::from_secs(86_400);

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
    pub(crate) url: String,
    front: Arc<Front>,
    service: Service,
    /// Of its clients.
    pub(crate) time: Mutex<TestTime>,
    /// Of the test itself: it goes past the front, and its time is not moved.
    pub(crate) operator: Client,
    pub(crate) runtime: Handle,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
    /// Of the database and the sockets; private.
    _directory: TempDir,
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
        Self::start_over(Transport::Loopback)
    }

    /// Starts a server that uses no network: it listens on a Unix socket in a private temporary
    /// directory, which is removed when the server is dropped. So it runs in a sandbox that has no
    /// loopback interface.
    ///
    /// The faults and the time work in the same way. The program under test must take its server's
    /// address from [`url`](Self::url), which begins with `unix:`.
    ///
    /// # Panics
    ///
    /// If the server can't be started, for example because the path of the temporary directory
    /// (`TMPDIR`) is longer than about 80 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// let server = dlm_testing::TestServer::start_without_network();
    /// let client = server.client_blocking();
    /// let guard = client.lock_blocking("orders/42").unwrap();
    /// server.lose("orders/42");
    /// assert!(guard.release_blocking().unwrap_err().is_lost());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn start_without_network() -> Self {
        Self::start_over(Transport::UnixSockets)
    }

    #[track_caller]
    fn start_over(transport: Transport) -> Self {
        let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir();
        let directory = directory.expect("a temporary directory");
        let stop = CancellationToken::new();
        let (started, start) = mpsc::channel();
        let thread = std::thread::Builder::new().name("dlm-testing".into()).spawn({
            let (path, stop) = (directory.path().to_owned(), stop.clone());
            move || thread::run(&path, transport, &stop, &started)
        });
        let thread = thread.expect("a thread");
        let Started { url, server_url, front, service, runtime } =
            start.recv().expect("the thread starts the server").expect("the server starts");
        let operator = Client::builder().addresses([server_url]).owner("the test");
        let operator = operator.transport(TransportKind::Http).connect_lazy().expect("a valid address");
        Self {
            url,
            front,
            service,
            time: Mutex::default(),
            operator,
            runtime,
            stop,
            thread: Some(thread),
            _directory: directory,
        }
    }

    /// The address to give to the program under test, such as `http://127.0.0.1:43121`, or
    /// `unix:/tmp/…` without a network.
    ///
    /// # Examples
    ///
    /// ```
    /// let server = dlm_testing::TestServer::start();
    /// assert!(server.url().starts_with("http://127.0.0.1:"));
    /// let server = dlm_testing::TestServer::start_without_network();
    /// assert!(server.url().starts_with("unix:/"));
    /// ```
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
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

    /// Takes the lock on `name`, as somebody else than the program under test, for a day. It is free
    /// again when the guard is dropped.
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
        let held = self.call(async move { operator.try_lock(resource).ttl(DAY).await });
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

    /// Lets time pass: for the server, and for the clients of [`client_builder`](Self::client_builder),
    /// [`client`](Self::client) and [`client_blocking`](Self::client_blocking). It takes milliseconds.
    ///
    /// It is like a suspend of the machine, in which nothing runs. So a lease whose term is shorter
    /// expires, and its guard is lost before the server grants the lock to the next. A lease whose term
    /// is longer is renewed right after, if it is due. A wait that ends until then times out.
    ///
    /// Only the terms of leases, the waits and the pauses between retries follow this time. Timeouts
    /// of requests, the pings of sessions and `tokio::time` do not.
    ///
    /// # Panics
    ///
    /// If the server has ended.
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
    /// let guard = client.lock("orders/42").await?;
    /// server.advance(Duration::from_secs(3600));
    /// assert!(!guard.is_held());
    /// let next = client.lock("orders/42").await?;
    /// assert!(next.fencing_token() > guard.fencing_token());
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn advance(&self, by: Duration) {
        let time = self.time.lock().unwrap_or_else(PoisonError::into_inner);
        self.front.moving.send_replace(true);
        // No guard may outlive its lease at the server.
        time.advance(by);
        let service = self.service.clone();
        self.call(async move { service.advance_clock(by).await }).expect("the server runs");
        self.front.moving.send_replace(false);
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
    /// let guard = client.lock("orders/42").await?;
    /// let away = server.away();
    /// // It can't be renewed.
    /// server.advance(Duration::from_secs(60));
    /// assert_eq!(guard.lost().await, dlm_client::LossReason::Deadline);
    /// drop(away);
    /// # Ok(())
    /// # }
    /// ```
    pub fn away(&self) -> Away {
        Away::new(&self.front)
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
