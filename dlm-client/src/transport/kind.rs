//! The choice between the session socket and plain HTTP.

/// Which transport a client uses.
///
/// Set with [`ClientBuilder::transport`](crate::ClientBuilder::transport).
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), dlm_client::Error> {
/// use dlm_client::{Client, TransportKind};
///
/// // Fails if the network does not allow WebSockets.
/// let client = Client::builder().transport(TransportKind::Session).connect().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportKind {
    /// One WebSocket while it is up, and HTTP while it is not, for example behind
    /// a proxy that does not allow upgrades. This is the default.
    #[default]
    Auto,
    /// HTTP only: one request per operation.
    Http,
    /// One WebSocket only. Operations wait while it is down. Lists and
    /// force-releases always use HTTP.
    Session,
}
