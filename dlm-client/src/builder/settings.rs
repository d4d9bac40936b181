//! The servers, and the defaults of requests.

use std::time::Duration;

use dlm_protocol::{Owner, Ttl};

use super::ClientBuilder;
use crate::error::Error;
use crate::transport::TransportKind;

/// Timeouts are added to waits, and the sum must stay representable.
const MAX_REQUEST_TIMEOUT: Duration = Duration::from_secs(86_400);

impl ClientBuilder {
    /// The URL of the server: `http://` or `https://`, a host, and optionally a port
    /// and a path, as behind a reverse proxy. The default is
    /// `http://127.0.0.1:7420`.
    ///
    /// Or it is `unix:` and the absolute path of a Unix socket on which a server listens, such as
    /// `unix:/run/dlm/dlm.sock`. The path is taken as it is: it may have spaces, and nothing in it
    /// is percent-encoded. Nothing is encrypted on a Unix socket, and nothing leaves the machine, so
    /// tokens are sent over it, and certificates are not used. On other systems than Unix such an
    /// address is [invalid](Error::is_invalid).
    ///
    /// Several URLs can be given, separated by commas; see
    /// [`addresses`](Self::addresses), which also takes a path with a comma.
    ///
    /// For `https` the server's certificate is verified with the platform's trust
    /// store, or with the certificates given to
    /// [`root_certificate`](Self::root_certificate). Proxies from the
    /// environment (`HTTP_PROXY` and the like) are not used.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// let client = dlm_client::Client::builder().address("https://locks.example.org").connect().await?;
    ///
    /// // A server on the same machine, without a network.
    /// let client = dlm_client::Client::builder().address("unix:/run/dlm/dlm.sock").connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn address(mut self, url: impl AsRef<str>) -> Self {
        self.addresses = url.as_ref().split(',').map(|url| url.trim().to_owned()).collect();
        self
    }

    /// The URLs of servers that share one database. The client uses one of them and
    /// fails over to the next. Locks and waits survive the failover.
    ///
    /// Each client uses the servers in a random order of its own, so that the clients
    /// spread over the servers; see [`keep_address_order`](Self::keep_address_order).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// let servers = ["https://locks-1.example.org", "https://locks-2.example.org"];
    /// let client = dlm_client::Client::builder().addresses(servers).connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn addresses(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.addresses = urls.into_iter().map(Into::into).collect();
        self
    }

    /// Whether to start at the first address and to fail over in the order in which
    /// the addresses were given, for example because the first server is the nearest.
    /// The default is `false`: a random order.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// // The second server is used while the first one fails.
    /// let servers = ["https://near.example.org", "https://far.example.org"];
    /// let builder = dlm_client::Client::builder().addresses(servers);
    /// let client = builder.keep_address_order(true).connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn keep_address_order(mut self, keep: bool) -> Self {
        self.keep_address_order = keep;
        self
    }

    /// The transport to use. The default is [`TransportKind::Auto`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// use dlm_client::{Client, TransportKind};
    ///
    /// let client = Client::builder().transport(TransportKind::Session).connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn transport(mut self, transport: TransportKind) -> Self {
        self.transport = transport;
        self
    }

    /// A label of this client for people to read in status and events: at most 256
    /// bytes without control characters. The default is made of the program, the host and the
    /// process id, as in `importer@web-3:4711`. An empty label is possible.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// let client = dlm_client::Client::builder().owner("api-7").connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn owner(self, owner: impl AsRef<str>) -> Self {
        self.with(|settings| {
            settings.defaults.owner = Owner::try_from(owner.as_ref())?;
            Ok(())
        })
    }

    /// The TTL of locks that do not set one: 100 ms to 24 hours. The default is
    /// 30 s.
    ///
    /// The TTL is how long a lock stays taken after its holder dies, and how long a
    /// holder survives without a reachable server. A shorter TTL needs more
    /// renewals.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// use std::time::Duration;
    ///
    /// // A lock whose holder dies is free again after ten seconds.
    /// let client = dlm_client::Client::builder().default_ttl(Duration::from_secs(10)).connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn default_ttl(self, ttl: Duration) -> Self {
        self.with(|settings| {
            settings.defaults.ttl = Ttl::try_from(ttl)?;
            Ok(())
        })
    }

    /// How long to wait for the reply to a request: more than zero, at most 24
    /// hours. The default is 10 s.
    ///
    /// The wait for a lock is not counted. A renewal attempt gets less time if its
    /// lease is close to its deadline.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// use std::time::Duration;
    ///
    /// let builder = dlm_client::Client::builder();
    /// let client = builder.request_timeout(Duration::from_secs(3)).connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn request_timeout(self, timeout: Duration) -> Self {
        self.with(|settings| {
            if timeout.is_zero() {
                return Err(Error::invalid("the request timeout must not be zero"));
            }
            if timeout > MAX_REQUEST_TIMEOUT {
                return Err(Error::invalid("the request timeout must not be longer than 24 hours"));
            }
            settings.request_timeout = timeout;
            Ok(())
        })
    }
}
