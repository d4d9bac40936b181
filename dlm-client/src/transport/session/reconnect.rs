//! Keeps a session socket open, with failover and backoff.

use std::time::Duration;

use dlm_protocol::{SESSION_PROTOCOL, close};
use tracing::{debug, info};

use super::connection::SessionConnection;
use super::disconnect::Disconnect;
use super::event::SessionEvent;
use super::handle::{SessionHandle, SessionInbox};
use crate::request_error::RequestError;
use crate::retry::{Backoff, PROVEN_AFTER};
use crate::transport::servers::ServerList;
use crate::transport::socket::{OpenedSocket, UpgradeError, open};

/// The first and the longest delay between attempts when every server rejects
/// WebSockets.
const MIN_REJECTED_DELAY: Duration = Duration::from_secs(1);
const MAX_REJECTED_DELAY: Duration = Duration::from_secs(60);

/// Keeps a session open until the client is dropped, and reports its events.
pub(crate) async fn run(servers: &ServerList, session: &SessionHandle, mut notify: impl FnMut(SessionEvent)) {
    let Some(mut inbox) = session.take_inbox() else { return };
    let clock = session.clock();
    let mut backoff = Backoff::new();
    let mut rejections = RejectionBackoff::new(servers.count());
    let mut number = 0;
    loop {
        let (index, server) = servers.current();
        let address = server.address().text();
        let mut fail_over = true;
        let delay = match open(server, servers.authenticator(), "/v1/session", SESSION_PROTOCOL).await {
            Ok(OpenedSocket { socket, credential }) => {
                number += 1;
                info!(%address, "session established");
                session.set_up(number);
                notify(SessionEvent::Up);
                let opened_at = clock.now();
                let connection = SessionConnection::new(session, socket, number, servers.count() > 1);
                let on_silence = || servers.fail_over(index);
                let reason = connection.run(&mut inbox, &mut notify, on_silence).await;
                session.set_down(reason.to_string());
                fail_submitted(&mut inbox);
                if matches!(reason, Disconnect::ClientDropped) {
                    return;
                }
                let proven = clock.now().duration_since(opened_at) >= PROVEN_AFTER;
                if proven {
                    backoff = Backoff::new();
                    rejections = RejectionBackoff::new(servers.count());
                }
                debug!(%address, %reason, "session ended");
                if matches!(reason, Disconnect::Unauthenticated)
                    && let Some(credential) = &credential
                {
                    servers.authenticator().refused(credential);
                }
                // The server works. It wants another credential, or to look at this one again.
                fail_over = !ended_for_access(&reason);
                if proven && !fail_over { Duration::ZERO } else { backoff.next_delay() }
            }
            Err(UpgradeError::Denied(error)) => {
                debug!(%address, %error, "session denied");
                match error {
                    RequestError::Problem { problem, .. } => session.set_denied(problem),
                    error => session.set_down(error.to_string()),
                }
                backoff.next_delay()
            }
            Err(UpgradeError::Rejected(status)) => {
                debug!(%address, ?status, "session rejected");
                session.set_down(describe_rejection(status));
                match status {
                    Some(502..=504) => backoff.next_delay(),
                    _ => rejections.next_delay(&mut backoff),
                }
            }
            Err(UpgradeError::Failed(error)) => {
                debug!(%address, %error, "session connect failed");
                session.set_down(error.to_string());
                backoff.next_delay()
            }
        };
        if fail_over {
            servers.fail_over(index);
        }
        clock.sleep(delay).await;
        fail_submitted(&mut inbox);
    }
}

/// Whether the server ended the session because of the client's credential or rights.
fn ended_for_access(reason: &Disconnect) -> bool {
    matches!(reason, Disconnect::Unauthenticated | Disconnect::Closed(Some(close::FORBIDDEN)))
}

/// The backoff when servers reject WebSockets. A proxy in between rarely changes
/// its mind, but there may be a path to another server without one.
struct RejectionBackoff {
    untried_servers: usize,
    next: Duration,
}

impl RejectionBackoff {
    fn new(servers: usize) -> Self {
        Self { untried_servers: servers, next: MIN_REJECTED_DELAY }
    }

    fn next_delay(&mut self, backoff: &mut Backoff) -> Duration {
        self.untried_servers = self.untried_servers.saturating_sub(1);
        if self.untried_servers > 0 {
            return backoff.next_delay();
        }
        let delay = self.next;
        self.next = (delay * 2).min(MAX_REJECTED_DELAY);
        delay
    }
}

fn describe_rejection(status: Option<u16>) -> String {
    match status {
        Some(status) => format!("the WebSocket upgrade was rejected with status {status}"),
        None => "the server does not accept WebSockets".into(),
    }
}

/// Fails the operations that were submitted around the end of a socket. They were
/// not sent.
fn fail_submitted(inbox: &mut SessionInbox) {
    while let Ok(submitted) = inbox.requests.try_recv() {
        let error = RequestError::Connect("the session ended before the request was sent".into());
        submitted.recipient.complete(Err(error));
    }
}
