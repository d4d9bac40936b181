//! What a session sends.

use std::sync::Arc;

use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::{MAX_FRAMES, Session};
use crate::socket::{SendError, flush, write};

/// Size of the replies that are serialized before they are sent. No frame is read
/// and no further reply taken until then.
const MAX_READY_BYTES: usize = 1024 * 1024;

impl Session {
    /// Sends all messages that are ready.
    pub(super) async fn send_ready(&mut self) -> Result<(), SendError> {
        let shared = Arc::clone(&self.shared);
        if self.ready.is_empty() && !shared.link.has_to_flush() {
            return Ok(());
        }
        shared.link.begin_writing();
        while let Some(text) = self.ready.pop_front() {
            self.ready_bytes -= text.len();
            write(&mut &shared.link, Message::Text(text.into())).await?;
        }
        flush(&mut &shared.link).await?;
        shared.link.done_writing();
        Ok(())
    }

    pub(super) async fn ping(&mut self) -> Result<(), SendError> {
        let link = &self.shared.link;
        link.begin_writing();
        write(&mut &*link, Message::Ping(Bytes::new())).await?;
        flush(&mut &*link).await?;
        link.done_writing();
        Ok(())
    }

    /// Whether more replies may be taken before those that are ready are sent.
    pub(super) fn has_room(&self) -> bool {
        self.ready.len() < 2 * MAX_FRAMES && self.ready_bytes < MAX_READY_BYTES
    }

    /// Queues a message.
    pub(super) fn push(&mut self, text: Option<String>) {
        if let Some(text) = text {
            self.ready_bytes += text.len();
            self.ready.push_back(text);
        }
    }

    /// Queues the places that the peer has to be told, as many as have room. The others have their
    /// turn at the next tick.
    pub(super) fn push_places(&mut self) {
        let shared = Arc::clone(&self.shared);
        shared.link.begin_writing();
        while self.ready_bytes < MAX_READY_BYTES
            && let Some(place) = shared.next_place()
        {
            self.push(Some(place));
        }
    }
}
