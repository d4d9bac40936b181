//! Tokens and headers.

use std::path::PathBuf;

use super::{ClientBuilder, headers};
use crate::credentials::{TokenProvider, TokenSource};
use crate::token::BearerToken;

impl ClientBuilder {
    /// The token to authenticate with. It is sent with every operation, never in a URL,
    /// and never after a redirect.
    ///
    /// Replaces an earlier token or [`token_provider`](Self::token_provider).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use dlm_client::{BearerToken, Client};
    ///
    /// let token = BearerToken::new(std::env::var("TOKEN")?)?;
    /// let builder = Client::builder().address("https://locks.example.org");
    /// let client = builder.bearer_token(token).connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bearer_token(self, token: BearerToken) -> Self {
        self.token_source(TokenSource::Fixed(token))
    }

    /// A file that contains the token to authenticate with, such as a projected token of
    /// Kubernetes. White space around the token is ignored.
    ///
    /// The file may be replaced at any time. It is read again when the token is needed and
    /// the last reading is 5 s old, and when the server refuses the token.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// let client = dlm_client::Client::builder()
    ///     .address("https://locks.internal:7420")
    ///     .bearer_token_file("/var/run/secrets/tokens/dlm")
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bearer_token_file(self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = format!("the token file `{}`", path.display());
        self.token_source(TokenSource::Provider(TokenProvider::file(path, name)))
    }

    /// Asks `provider` for the token to authenticate with: at first, before the
    /// [lifetime](BearerToken::valid_for) of the last token ends, and when the server
    /// refuses it. Locks are kept meanwhile.
    ///
    /// The provider is asked once however many operations need its answer, and has 10 s
    /// to answer. After an error, or a token that is refused, it is asked again with
    /// growing delays of up to about a second, as long as operations need a token. It runs
    /// on a thread of the client with a tokio runtime, and may block.
    ///
    /// What the provider's error displays is shown in errors and logged, so it must not
    /// contain a secret.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// # struct Reply { access_token: String, expires_in: u64 }
    /// # async fn fetch() -> Result<Reply, std::io::Error> { Err(std::io::ErrorKind::Other.into()) }
    /// use std::time::Duration;
    ///
    /// use dlm_client::{BearerToken, Client};
    ///
    /// let client = Client::builder()
    ///     .address("https://locks.example.org")
    ///     .token_provider(|| async {
    ///         let reply = fetch().await?;
    ///         let token = BearerToken::new(reply.access_token)?;
    ///         Ok::<_, Box<dyn std::error::Error + Send + Sync>>(
    ///             token.valid_for(Duration::from_secs(reply.expires_in)),
    ///         )
    ///     })
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn token_provider<F, E>(self, provider: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<BearerToken, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.token_source(TokenSource::Provider(TokenProvider::new(provider)))
    }

    /// Whether to send the token also to `http` addresses of other machines, where
    /// everyone on the network can read it and use it. The default is `false`, and then
    /// [`connect`](Self::connect) fails with [`is_invalid`](crate::Error::is_invalid).
    ///
    /// This is for networks that encrypt by themselves, such as a service mesh.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// let client = dlm_client::Client::builder()
    ///     .address("http://dlm.locks.svc.cluster.local:7420")
    ///     .bearer_token_file("/var/run/secrets/tokens/dlm")
    ///     .allow_plaintext_token(true)
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn allow_plaintext_token(self, allow: bool) -> Self {
        self.with(|settings| {
            settings.allow_plaintext_token = allow;
            Ok(())
        })
    }

    /// Sends a header with every request, for example for a proxy in front of the server.
    /// Replaces an earlier value of the same header. The value is treated as a secret: it
    /// is not in debug output. Unlike a token it is also sent over plain `http`.
    ///
    /// [`connect`](Self::connect) fails with [`is_invalid`](crate::Error::is_invalid) if the name or
    /// the value is not valid, or if the header is one that the client itself sends or that
    /// concerns the connection: `Authorization`, `Host`, `Connection`, `Content-Type`,
    /// `Sec-WebSocket-Protocol` and the like.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// let builder = dlm_client::Client::builder().header("X-Tenant", "blue");
    /// let client = builder.address("https://gateway.example.org/locks").connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn header(self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.with(|settings| {
            let (name, value) = headers::check(name.as_ref(), value.as_ref())?;
            settings.credentials.headers.insert(name, value);
            Ok(())
        })
    }

    pub(super) fn token_source(self, source: TokenSource) -> Self {
        self.with(|settings| {
            settings.credentials.token = source;
            Ok(())
        })
    }
}
