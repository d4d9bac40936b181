//! Configures and connects clients.
//!
//! - `environment`: a client that is configured by environment variables
//! - `access`: TLS, tokens and headers
//! - `headers`: which headers the caller may set

mod access;
mod environment;
mod headers;

use std::time::Duration;

use dlm_protocol::{Owner, Ttl};
use tracing::{Instrument, debug_span};

use crate::client::Client;
use crate::clock::Clock;
use crate::credentials::{Credentials, TokenSource};
use crate::defaults::LockDefaults;
use crate::error::Error;
use crate::transport::{ServerAddress, TlsOptions, Transport, TransportKind, TransportOptions};
use crate::worker::Handle;

const DEFAULT_ADDRESS: &str = "http://127.0.0.1:7420";
const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeouts are added to waits, and the sum must stay representable.
const MAX_REQUEST_TIMEOUT: Duration = Duration::from_secs(86_400);

impl Client {
    /// Connects to the server at `url`, such as `http://127.0.0.1:7420`. Several
    /// URLs, separated by commas, name servers that share one database.
    ///
    /// # Errors
    ///
    /// The errors of [`ClientBuilder::connect`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no connection or thread remains.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// let client = dlm_client::Client::connect("http://127.0.0.1:7420").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::builder().address(url).connect().await
    }

    /// Creates a [`ClientBuilder`] to configure a client.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// let builder = dlm_client::Client::builder().address("http://127.0.0.1:7420").owner("api-7");
    /// let client = builder.connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }
}

/// Configures a [`Client`].
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), dlm_client::Error> {
/// use std::time::Duration;
///
/// use dlm_client::TransportKind;
///
/// let client = dlm_client::Client::builder()
///     .addresses(["https://locks-1.example.org", "https://locks-2.example.org"])
///     .transport(TransportKind::Auto)
///     .owner("api-7")
///     .default_ttl(Duration::from_secs(10))
///     .request_timeout(Duration::from_secs(5))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `connect` is called"]
pub struct ClientBuilder {
    addresses: Vec<String>,
    keep_address_order: bool,
    transport: TransportKind,
    settings: Result<ClientSettings, Error>,
}

/// The settings that are validated, so that the first error can be kept.
#[derive(Debug)]
struct ClientSettings {
    defaults: LockDefaults,
    request_timeout: Duration,
    tls: TlsOptions,
    credentials: Credentials,
    allow_plaintext_token: bool,
    clock: Clock,
}

impl ClientBuilder {
    fn new() -> Self {
        Self {
            addresses: vec![DEFAULT_ADDRESS.into()],
            keep_address_order: false,
            transport: TransportKind::default(),
            settings: Ok(ClientSettings {
                defaults: LockDefaults::default(),
                request_timeout: DEFAULT_REQUEST_TIMEOUT,
                tls: TlsOptions::default(),
                credentials: Credentials::default(),
                allow_plaintext_token: false,
                clock: Clock::System,
            }),
        }
    }

    /// The URL of the server: `http://` or `https://`, a host, and optionally a port
    /// and a path, as behind a reverse proxy. The default is
    /// `http://127.0.0.1:7420`.
    ///
    /// Several URLs can be given, separated by commas; see
    /// [`addresses`](Self::addresses).
    ///
    /// For `https` the server's certificate is verified with the platform's trust
    /// store, or with the certificates given to
    /// [`root_certificate`](Self::root_certificate). Proxies from the
    /// environment (`HTTP_PROXY` and the like) are not used.
    pub fn address(mut self, url: impl AsRef<str>) -> Self {
        self.addresses = url.as_ref().split(',').map(|url| url.trim().to_owned()).collect();
        self
    }

    /// The URLs of servers that share one database. The client uses one of them and
    /// fails over to the next. Locks and waits survive the failover.
    ///
    /// Each client uses the servers in a random order of its own, so that the clients
    /// spread over the servers; see [`keep_address_order`](Self::keep_address_order).
    pub fn addresses(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.addresses = urls.into_iter().map(Into::into).collect();
        self
    }

    /// Whether to start at the first address and to fail over in the order in which
    /// the addresses were given, for example because the first server is the nearest.
    /// The default is `false`: a random order.
    pub fn keep_address_order(mut self, keep: bool) -> Self {
        self.keep_address_order = keep;
        self
    }

    /// The transport to use. The default is [`TransportKind::Auto`].
    pub fn transport(mut self, transport: TransportKind) -> Self {
        self.transport = transport;
        self
    }

    /// A label of this client for people to read in status and events: at most 256
    /// bytes without control characters. The default is empty.
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

    /// Measures time with a clock that the test moves.
    #[cfg(test)]
    pub(crate) fn clock(self, clock: Clock) -> Self {
        self.with(|settings| {
            settings.clock = clock;
            Ok(())
        })
    }

    /// Starts the client thread and checks that a server is ready. With
    /// [`TransportKind::Session`] it also waits until the session is up.
    ///
    /// # Errors
    ///
    /// - [`is_invalid`](Error::is_invalid): an address or an earlier setting is
    ///   invalid, or a token would be sent in plaintext. The first such error is reported.
    /// - [`is_unauthenticated`](Error::is_unauthenticated): the token provider has no
    ///   token, or the server refuses the session. Otherwise a token is checked by the
    ///   first operation; see [`Client::whoami`].
    /// - [`is_connect`](Error::is_connect): no server is reachable, its certificate is
    ///   not accepted, or the session could not be established.
    /// - [`is_retryable`](Error::is_retryable): the server is not ready yet.
    /// - [`is_unexpected_reply`](Error::is_unexpected_reply): the address is not that
    ///   of a dlm server.
    /// - Other errors if the machine has no certificates for `https`, or cannot
    ///   start a thread.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no connection or thread remains.
    pub async fn connect(self) -> Result<Client, Error> {
        let ClientSettings { defaults, request_timeout, tls, credentials, allow_plaintext_token, clock } =
            self.settings?;
        let addresses = self
            .addresses
            .iter()
            .map(|address| ServerAddress::parse(address))
            .collect::<Result<Vec<_>, _>>()?;
        let in_plaintext = |address: &ServerAddress| !address.is_tls() && !address.is_loopback();
        if !matches!(credentials.token, TokenSource::None)
            && !allow_plaintext_token
            && addresses.iter().any(in_plaintext)
        {
            return Err(Error::invalid(
                "a bearer token is sent only over https or to this machine, because everyone on the network \
                 could read it: use https, or see `ClientBuilder::allow_plaintext_token`",
            ));
        }
        let options = TransportOptions {
            kind: self.transport,
            keep_address_order: self.keep_address_order,
            tls,
            credentials,
            clock: clock.clone(),
        };
        let transport = Transport::new(addresses, options)?;
        let span = debug_span!("connect", address = %transport.name());
        async {
            let handle = Handle::start(transport, request_timeout, clock).await?;
            let context = handle.context().clone();
            let usable = async move {
                context.transport.ready(request_timeout).await?;
                Ok(context.transport.wait_until_usable(request_timeout).await?)
            };
            handle.call(usable).await?;
            Ok(Client::new(handle, defaults))
        }
        .instrument(span)
        .await
    }

    /// Changes the settings, unless an earlier change failed.
    fn with(mut self, change: impl FnOnce(&mut ClientSettings) -> Result<(), Error>) -> Self {
        if let Ok(settings) = &mut self.settings
            && let Err(error) = change(settings)
        {
            self.settings = Err(error);
        }
        self
    }
}
