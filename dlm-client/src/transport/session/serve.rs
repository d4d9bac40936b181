use std::time::Duration;

use dlm_protocol::{LeaseEnded, SESSION_PROTOCOL};
use tracing::{debug, info};

use super::drive::{Drive, Over};
use super::link::Queue;
use crate::retry::Backoff;
use crate::transport::failure::Failure;
use crate::transport::route::Transport;
use crate::transport::socket::{OpenError, open};

/// Pauses between tries where all servers refuse sockets.
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
    let mut refusals = Refusals::new(transport.count());
    let mut number = 0;
    loop {
        let (index, server) = transport.server();
        let address = server.address().as_shared();
        let pause = match open(server.address(), server.tls(), "/v1/session", SESSION_PROTOCOL).await {
            Ok(socket) => {
                number += 1;
                info!(%address, "a session is up");
                refusals = Refusals::new(transport.count());
                link.set_up(number);
                tell(News::Up);
                let over = Drive::new(transport.count() > 1).run(socket, &mut queue, &mut tell).await;
                link.set_down(over.to_string());
                fail_queued(&mut queue);
                match over {
                    Over::ClientGone => return,
                    // None of the servers may be: they are not tried in haste.
                    Over::Unavailable => {}
                    _ => backoff = Backoff::new(),
                }
                debug!(%address, %over, "a session has ended");
                backoff.delay()
            }
            Err(OpenError::Refused(status)) => {
                debug!(?status, %address, "no session is to be had here");
                link.set_down(refused(status));
                match status {
                    Some(502..=504) => backoff.delay(),
                    _ => refusals.pause(&mut backoff),
                }
            }
            Err(OpenError::Failed(cause)) => {
                debug!(%cause, %address, "no session");
                link.set_down(cause.to_string());
                backoff.delay()
            }
        };
        transport.move_on(index);
        tokio::time::sleep(pause).await;
        fail_queued(&mut queue);
    }
}

/// How long to wait where sockets are refused: what stands between here and the
/// server seldom changes its mind, but there may be other ways.
struct Refusals {
    untried: usize,
    next: Duration,
}

impl Refusals {
    fn new(servers: usize) -> Self {
        Self { untried: servers, next: SHORTEST_REFUSED }
    }

    fn pause(&mut self, backoff: &mut Backoff) -> Duration {
        self.untried = self.untried.saturating_sub(1);
        if self.untried > 0 {
            return backoff.delay();
        }
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_REFUSED);
        pause
    }
}

fn refused(status: Option<u16>) -> String {
    match status {
        Some(status) => format!("it was refused with status {status}"),
        None => "what answered does not open WebSockets".into(),
    }
}

/// What was asked for when the socket had just ended was not sent.
fn fail_queued(queue: &mut Queue) {
    while let Ok(outgoing) = queue.asked.try_recv() {
        let failure = Failure::Unreached("the session has just ended".into());
        // Nobody reads it when the operation was given up.
        let _ = outgoing.reply.send(Err(failure));
    }
}
