/// How a client speaks to its server.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), dlm_client::Error> {
/// use dlm_client::{Client, TransportKind};
///
/// // Fails where something on the way forbids WebSockets.
/// let client = Client::builder().transport(TransportKind::Session).connect().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportKind {
    /// Over one WebSocket while it is up, and over HTTP while it is not, such
    /// as behind a proxy that forbids upgrades.
    #[default]
    Auto,
    /// Over HTTP alone: a request each.
    Http,
    /// Over one WebSocket alone; what is asked while it is down waits for it.
    /// Lists and force-releases go over HTTP all the same.
    Session,
}
