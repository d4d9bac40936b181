//! Passes the messages of a WebSocket on, in both directions.

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::front::Front;

/// Passes messages on until one side ends. `front` decides on the frames of a session.
pub(crate) async fn run<C, S>(
    client: WebSocketStream<C>,
    server: WebSocketStream<S>,
    front: Option<&Front>,
) -> Result<(), Error>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut to_client, mut from_client) = client.split();
    let (mut to_server, mut from_server) = server.split();
    loop {
        tokio::select! {
            message = next(&mut from_client) => {
                let Some(message) = message? else { return Ok(()) };
                let verdict = match (&message, front) {
                    (Message::Text(text), Some(front)) => {
                        front.time_stands_still().await;
                        front.faults.on_frame(text)
                    }
                    _ => None,
                };
                match verdict {
                    None => pass_on(&mut to_server, message).await?,
                    Some(Some(reply)) => pass_on(&mut to_client, Message::text(reply)).await?,
                    Some(None) => {}
                }
            }
            message = next(&mut from_server) => {
                let Some(message) = message? else { return Ok(()) };
                pass_on(&mut to_client, message).await?;
            }
        }
    }
}

async fn next(
    from: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
) -> Result<Option<Message>, Error> {
    from.next().await.transpose()
}

/// Pings are answered on each side.
async fn pass_on(
    to: &mut (impl Sink<Message, Error = Error> + Unpin),
    message: Message,
) -> Result<(), Error> {
    match message {
        Message::Ping(_) | Message::Pong(_) => to.flush().await,
        message => to.send(message).await,
    }
}
