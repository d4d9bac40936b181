//! Where a page of owners ends.

use std::cmp::Reverse;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dlm_protocol::OwnerSummary;

use crate::service::Error;

/// The place of an owner in the order of pages. What it is made from changes, so between two pages an
/// owner can be passed over or come twice.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(super) struct Place(Reverse<u64>, Reverse<u64>, String, Option<String>);

impl Place {
    pub(super) fn of(owner: &OwnerSummary) -> Self {
        let OwnerSummary { owner, principal, holds, waits, blocked, .. } = owner;
        Self(Reverse(*blocked), Reverse(holds + waits), owner.as_str().to_owned(), principal.clone())
    }

    pub(super) fn encode(&self) -> String {
        // Numbers and texts can always be serialized.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    pub(super) fn decode(text: &str) -> Result<Self, Error> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let place = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        place.ok_or_else(|| Error::Invalid { what: "`after` must be `next` of a page of owners".into() })
    }
}
