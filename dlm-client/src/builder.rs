use std::time::Duration;

use dlm_protocol::{Owner, Ttl};
use tracing::{Instrument, debug_span};

use crate::client::Client;
use crate::error::Error;
use crate::transport::{Address, Transport, TransportKind};
use crate::worker::Handle;

const DEFAULT_ADDRESS: &str = "http://127.0.0.1:7420";
const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// What is added to a wait has to stay within what clocks can count.
const LONGEST_REQUEST_TIMEOUT: Duration = Duration::from_secs(86_400);

/// Makes a [`Client`] that is not like all others.
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
#[must_use = "nothing happens before `connect`"]
pub struct ClientBuilder {
    addresses: Vec<String>,
    transport: TransportKind,
    options: Result<Options, Error>,
}

/// What a client adds to every lock.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) owner: Owner,
    pub(crate) ttl: Ttl,
    request_timeout: Duration,
}

impl ClientBuilder {
    pub(crate) fn new() -> Self {
        Self {
            addresses: vec![DEFAULT_ADDRESS.into()],
            transport: TransportKind::default(),
            options: Ok(Options {
                owner: Owner::default(),
                ttl: Ttl::default(),
                request_timeout: DEFAULT_REQUEST_TIMEOUT,
            }),
        }
    }

    /// Where the server is, as `http://` or `https://` and a host; by default
    /// `http://127.0.0.1:7420`. A path is kept, for servers behind a reverse
    /// proxy.
    ///
    /// For `https` the server's certificate is verified as the platform does
    /// it. Proxies that the environment names (`HTTP_PROXY` and the like) are
    /// not used.
    ///
    /// Several may be given with commas between them, or by
    /// [`addresses`](Self::addresses).
    pub fn address(mut self, url: impl AsRef<str>) -> Self {
        self.addresses = url.as_ref().split(',').map(|url| url.trim().to_owned()).collect();
        self
    }

    /// Where the servers are that share one database. The client speaks to one
    /// of them and moves on to the next when it fails; locks and waits go on.
    pub fn addresses(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.addresses = urls.into_iter().map(Into::into).collect();
        self
    }

    /// How to speak to the server; [`TransportKind::Auto`] by default.
    pub fn transport(mut self, transport: TransportKind) -> Self {
        self.transport = transport;
        self
    }

    /// Who locks, for people to read in status and events: at most 256 bytes
    /// without control characters. Empty by default.
    pub fn owner(self, owner: impl AsRef<str>) -> Self {
        let owner = Owner::try_from(owner.as_ref());
        self.with(|options| {
            options.owner = owner?;
            Ok(())
        })
    }

    /// The TTL of locks that ask for none: 100 ms to a day; 30 s by default.
    ///
    /// It is the time after which a lock is free when its holder dies, and the
    /// time that a holder survives without its server. A short TTL also means
    /// more renewals.
    pub fn default_ttl(self, ttl: Duration) -> Self {
        self.with(|options| {
            options.ttl = Ttl::try_from(ttl)?;
            Ok(())
        })
    }

    /// The time after which an answer is no longer waited for: 10 s by default,
    /// a day at most. The wait for a lock is not counted, and attempts to renew get less, by
    /// what is left of their lease.
    pub fn request_timeout(self, timeout: Duration) -> Self {
        self.with(|options| {
            if timeout.is_zero() {
                return Err(Error::invalid("the request timeout must not be zero"));
            }
            if timeout > LONGEST_REQUEST_TIMEOUT {
                return Err(Error::invalid("the request timeout must not be longer than a day"));
            }
            options.request_timeout = timeout;
            Ok(())
        })
    }

    /// Starts the client's thread and asks the server whether it is ready; with
    /// [`TransportKind::Session`] it also waits for the session.
    ///
    /// # Errors
    ///
    /// The first error of the calls before, [`is_invalid`](Error::is_invalid);
    /// [`is_connect`](Error::is_connect) when the server can't be reached, or
    /// when the session that was asked for is not to be had;
    /// [`is_retryable`](Error::is_retryable) when it is not ready yet; others
    /// when what answers is not a dlm server, or when the machine has no
    /// certificates for `https`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn connect(self) -> Result<Client, Error> {
        let options = self.options?;
        let addresses =
            self.addresses.iter().map(|address| Address::parse(address)).collect::<Result<Vec<_>, _>>()?;
        let transport = Transport::new(addresses, self.transport)?;
        let span = debug_span!("connect", address = %transport.name());
        async {
            let timeout = options.request_timeout;
            let handle = Handle::start(transport, timeout).await?;
            let shared = handle.shared.clone();
            let usable = async move {
                shared.transport.ready(timeout).await?;
                Ok(shared.transport.until_usable(timeout).await?)
            };
            handle.call(usable).await?;
            Ok(Client::new(handle, options))
        }
        .instrument(span)
        .await
    }

    /// Changes the options, unless an error came before.
    fn with(mut self, change: impl FnOnce(&mut Options) -> Result<(), Error>) -> Self {
        self.options = self.options.and_then(|mut options| {
            change(&mut options)?;
            Ok(options)
        });
        self
    }
}
