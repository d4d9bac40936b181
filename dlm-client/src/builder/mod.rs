//! Configures and connects clients.
//!
//! - `settings`: the servers, and the defaults of requests
//! - `environment`: a client that is configured by environment variables
//! - `access`: tokens and headers
//! - `certificates`: the certificates of servers and of the client
//! - `headers`: which headers the caller may set

mod access;
#[cfg(feature = "tls")]
mod certificates;
mod environment;
mod headers;
mod settings;

use std::time::Duration;

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

impl Client {
    /// Connects to the server at `url`, such as `http://127.0.0.1:7420` or
    /// `unix:/run/dlm/dlm.sock`. Several URLs, separated by commas, name servers that share one
    /// database. See [`ClientBuilder::address`].
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
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// let client = dlm_client::Client::builder().address("http://127.0.0.1:7420").connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(self) -> Result<Client, Error> {
        let client = self.connect_lazy()?;
        let context = client.handle.context().clone();
        let span = debug_span!("connect", address = %context.transport.name());
        let usable = async move {
            context.transport.ready(context.request_timeout).await?;
            Ok(context.transport.wait_until_usable(context.request_timeout).await?)
        };
        client.handle.call(usable).instrument(span).await?;
        Ok(client)
    }

    /// Creates a client that connects when it is first used. Nothing is sent before, and no
    /// thread is started: for programs that start before their server does, and for those that
    /// [fork](crate#fork).
    ///
    /// The first operations may use HTTP while the session connects. An unreachable server shows
    /// there: [`Client::lock`] goes on trying for as long as it waits.
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid) if an address or an earlier setting is invalid, or a
    /// token would be sent in plaintext. Other errors if the machine has no certificates for
    /// `https`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example() -> Result<(), dlm_client::Error> {
    /// let client = dlm_client::Client::builder().address("http://127.0.0.1:7420").connect_lazy()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect_lazy(self) -> Result<Client, Error> {
        let ClientSettings { defaults, request_timeout, tls, credentials, allow_plaintext_token, clock } =
            self.settings?;
        let addresses = self
            .addresses
            .iter()
            .map(|address| ServerAddress::parse(address))
            .collect::<Result<Vec<_>, _>>()?;
        let in_plaintext = |address: &ServerAddress| !address.is_tls() && !address.is_local();
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
        Ok(Client::new(Handle::lazy(transport, request_timeout, clock), defaults))
    }

    /// Measures time with the clock of the machine, and with what a test lets pass in addition. Needs
    /// the feature `test-time`, which is for dlm-testing.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), dlm_client::Error> {
    /// use std::time::Duration;
    ///
    /// let time = dlm_client::TestTime::new();
    /// let client = dlm_client::Client::builder().test_time(&time).connect_lazy()?;
    /// time.advance(Duration::from_secs(60));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "test-time")]
    pub fn test_time(self, time: &crate::TestTime) -> Self {
        self.with(|settings| {
            settings.clock = Clock::Test(time.clone());
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
