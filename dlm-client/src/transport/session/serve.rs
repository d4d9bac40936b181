use std::time::Duration;

use dlm_protocol::{LeaseEnded, SESSION_PROTOCOL};
use tracing::{debug, info};

use super::drive::{Drive, Over};
use super::link::Queue;
use crate::retry::Backoff;
use crate::transport::failure::Failure;
use crate::transport::route::Transport;
use crate::transport::socket::{OpenError, open};

/// Pauses between tries where sockets are refused: what stands between here and
/// the server seldom changes its mind.
const SHORTEST_REFUSED: Duration = Duration::from_secs(1);
const LONGEST_REFUSED: Duration = Duration::from_secs(60);

/// What the session tells unasked.
#[derive(Debug)]
pub(crate) enum News {
    /// A socket is up that knows of no lease yet.
    Up,
    /// A lease has ended without its holder's doing.
    LeaseEnded(LeaseEnded),
}

/// Keeps a session up as long as the client lives.
pub(crate) async fn serve(transport: &Transport, mut tell: impl FnMut(News)) {
    let Some(link) = transport.link() else { return };
    let Some(mut queue) = link.take_queue() else { return };
    let mut backoff = Backoff::new();
    let mut refused = SHORTEST_REFUSED;
    loop {
        let (index, server) = transport.server();
        let pause = match open(server.address(), server.tls(), "/v1/session", SESSION_PROTOCOL).await {
            Ok(socket) => {
                info!(address = %server.address().as_shared(), "a session is up");
                (backoff, refused) = (Backoff::new(), SHORTEST_REFUSED);
                link.set_up(true);
                tell(News::Up);
                let over = Drive::new(socket).run(&mut queue, &mut tell).await;
                link.set_up(false);
                fail_queued(&mut queue);
                if matches!(over, Over::ClientGone) {
                    return;
                }
                debug!(address = %server.address().as_shared(), %over, "a session has ended");
                transport.move_on(index);
                backoff.delay()
            }
            Err(OpenError::Refused(status)) => {
                debug!(?status, address = %server.address().as_shared(), "no session is to be had here");
                if matches!(status, Some(502..=504)) {
                    transport.move_on(index);
                    backoff.delay()
                } else {
                    let pause = refused;
                    refused = (refused * 2).min(LONGEST_REFUSED);
                    pause
                }
            }
            Err(OpenError::Failed(cause)) => {
                debug!(%cause, address = %server.address().as_shared(), "no session");
                transport.move_on(index);
                backoff.delay()
            }
        };
        tokio::time::sleep(pause).await;
        fail_queued(&mut queue);
    }
}

/// What was asked for when the socket had just ended was not sent.
fn fail_queued(queue: &mut Queue) {
    while let Ok(outgoing) = queue.try_recv() {
        let failure = Failure::Unreached("the session has just ended".into());
        // Nobody reads it when the operation was given up.
        let _ = outgoing.reply.send(Err(failure));
    }
}
