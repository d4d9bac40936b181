//! Sessions that only exist, without the client library: what they cost the server.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::BoxError;
use crate::run::{PhaseWatch, RunPhase};
use crate::sockets::{ByteStream, Connector};
use crate::worker::{WorkerStats, now};

/// The default of 128 KiB for each session would be more than the server's memory.
const READ_BUFFER: usize = 1024;

/// Opens a session at the server with this URL, and keeps it open until the end of the
/// run. It answers the server's pings. The latency is the time that opening took.
pub(crate) async fn idle(
    connector: Connector,
    url: String,
    phase: Arc<PhaseWatch>,
) -> Result<WorkerStats, BoxError> {
    let permit = connector.opening.acquire().await?;
    let started = now();
    let mut session = open(&connector, &url).await?;
    let latency = started.elapsed();
    drop(permit);
    let lost = tokio::select! {
        () = phase.finished() => false,
        // Nothing is said in an idle session. Pings are answered by reading.
        _ = async { while let Some(Ok(_)) = session.next().await {} } => !phase.is(RunPhase::Finished),
    };
    let acquire_micros = vec![u32::try_from(latency.as_micros()).unwrap_or(u32::MAX)];
    Ok(WorkerStats { cycles: u64::from(!lost), lost: u64::from(lost), acquire_micros })
}

async fn open(connector: &Connector, url: &str) -> Result<WebSocketStream<Box<dyn ByteStream>>, BoxError> {
    let (stream, request) = connector.connect(url, "/v1/session", "dlm.session.v1").await?;
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    let opening = tokio_tungstenite::client_async_with_config(request, stream, Some(config));
    let (session, _) = tokio::time::timeout(Duration::from_secs(30), opening).await??;
    Ok(session)
}
