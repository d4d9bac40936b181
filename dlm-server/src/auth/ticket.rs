//! What a ticket stands for.

use dlm_protocol::TicketPurpose;
use serde::{Deserialize, Serialize};

use super::Authentication;

/// What a ticket stands for, as it is stored: the credentials that it was asked for
/// with. Its socket is closed when they expire or are withdrawn.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TicketContent {
    pub(crate) purpose: TicketPurpose,
    pub(crate) caller: Authentication,
}
