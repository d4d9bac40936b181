//! Messages between replicas as NOTIFY carries them: JSON, one message a line.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dlm_engine::{Micros, ReplicaId};
use dlm_protocol::EndReason;
use serde::{Deserialize, Serialize};

use crate::store::{Name, PeerMessage, WaitId};

/// Postgres accepts payloads of up to 8,000 bytes.
const MAX_PAYLOAD: usize = 7_500;

/// A [`PeerMessage`] with its recipient or its sender. Servers of different
/// versions share a database during an upgrade, so names do not change here.
#[derive(Debug, Serialize, Deserialize)]
enum Envelope {
    /// The wait as URL-safe base64.
    WaitOver {
        to: i64,
        wait: String,
    },
    LeaseEnded {
        from: i64,
        name: String,
        token: u64,
        reason: EndReason,
    },
    Renewed {
        from: i64,
        name: String,
        token: u64,
        expires_at: i64,
    },
    #[serde(rename = "RenewalsFollowed")]
    RenewalsSubscribed {
        from: i64,
    },
    ReleaseRequested {
        from: i64,
    },
}

impl Envelope {
    fn new(message: &PeerMessage, from: ReplicaId) -> Self {
        match message {
            PeerMessage::WaitEnded { replica, wait } => {
                Self::WaitOver { to: replica.0, wait: URL_SAFE_NO_PAD.encode(wait.0) }
            }
            PeerMessage::LeaseEnded { name, token, reason } => {
                Self::LeaseEnded { from: from.0, name: name.to_string(), token: *token, reason: *reason }
            }
            PeerMessage::Renewed { name, token, expires_at } => Self::Renewed {
                from: from.0,
                name: name.to_string(),
                token: *token,
                expires_at: expires_at.0,
            },
            PeerMessage::RenewalsSubscribed => Self::RenewalsSubscribed { from: from.0 },
            PeerMessage::ReleaseRequested => Self::ReleaseRequested { from: from.0 },
        }
    }

    /// The message, unless another replica is its recipient or `me` sent it.
    fn open(self, me: ReplicaId) -> Option<PeerMessage> {
        match self {
            Self::WaitOver { to, wait } if to == me.0 => {
                let wait = URL_SAFE_NO_PAD.decode(wait).ok()?.try_into().ok()?;
                Some(PeerMessage::WaitEnded { replica: me, wait: WaitId(wait) })
            }
            Self::LeaseEnded { from, name, token, reason } if from != me.0 => {
                Some(PeerMessage::LeaseEnded { name: Name::from(name), token, reason })
            }
            Self::Renewed { from, name, token, expires_at } if from != me.0 => {
                Some(PeerMessage::Renewed { name: Name::from(name), token, expires_at: Micros(expires_at) })
            }
            Self::RenewalsSubscribed { from } if from != me.0 => Some(PeerMessage::RenewalsSubscribed),
            Self::ReleaseRequested { from } if from != me.0 => Some(PeerMessage::ReleaseRequested),
            _ => None,
        }
    }
}

/// Encodes messages into as few payloads as they fit in.
pub(super) fn encode(messages: impl Iterator<Item = PeerMessage>, from: ReplicaId) -> Vec<String> {
    let mut payloads = Vec::new();
    let mut payload = String::new();
    for message in messages {
        let Ok(line) = serde_json::to_string(&Envelope::new(&message, from)) else { continue };
        if !payload.is_empty() && payload.len() + line.len() > MAX_PAYLOAD {
            payloads.push(std::mem::take(&mut payload));
        }
        payload.push_str(&line);
        payload.push('\n');
    }
    if !payload.is_empty() {
        payloads.push(payload);
    }
    payloads
}

/// Decodes the messages of a payload that are for `me`. Messages that a newer
/// version sends and this one does not know are skipped.
pub(super) fn decode(payload: &str, me: ReplicaId) -> impl Iterator<Item = PeerMessage> {
    payload.lines().filter_map(move |line| serde_json::from_str::<Envelope>(line).ok()?.open(me))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: ReplicaId = ReplicaId(1);
    const PEER: ReplicaId = ReplicaId(2);

    fn wait_ended(replica: ReplicaId) -> PeerMessage {
        PeerMessage::WaitEnded { replica, wait: WaitId([7; 16]) }
    }

    #[test]
    fn a_message_reaches_its_recipient_and_never_its_sender() {
        let broadcast = [
            PeerMessage::LeaseEnded { name: Name::from("a"), token: 7, reason: EndReason::Expired },
            PeerMessage::Renewed { name: Name::from("a"), token: 7, expires_at: Micros(9) },
            PeerMessage::RenewalsSubscribed,
            PeerMessage::ReleaseRequested,
        ];
        let sent = [&broadcast[..], &[wait_ended(ME), wait_ended(PEER)]].concat();
        let [payload] = &encode(sent.into_iter(), PEER)[..] else { panic!("one payload expected") };
        let received: Vec<_> = decode(payload, ME).collect();
        assert_eq!(received, [&broadcast[..], &[wait_ended(ME)]].concat());
        assert_eq!(decode(payload, PEER).collect::<Vec<_>>(), [wait_ended(PEER)]);
    }

    #[test]
    fn payloads_stay_below_what_notify_accepts() {
        let payloads = encode(std::iter::repeat_n(wait_ended(ME), 1_000), PEER);
        assert!(payloads.iter().all(|payload| !payload.is_empty() && payload.len() < 8_000));
        assert_eq!(payloads.iter().map(|payload| decode(payload, ME).count()).sum::<usize>(), 1_000);
    }

    #[test]
    fn unknown_messages_are_skipped() {
        let payload = "{\"Later\":{\"from\":2}}\n{\"RenewalsFollowed\":{\"from\":2}}\n";
        assert_eq!(decode(payload, ME).collect::<Vec<_>>(), [PeerMessage::RenewalsSubscribed]);
    }
}
