//! Holders as `dlm explain` and `dlm owners` show them.

use dlm_client::Blocker;

use crate::failure::name_of;
use crate::output::{Clock, printable};

/// Such as `api-7 as api`.
pub(super) fn name(owner: &str, principal: Option<&str>) -> String {
    let principal = principal.map(|name| format!(" as {}", printable(name))).unwrap_or_default();
    printable(name_of(owner)) + &principal
}

pub(super) fn holder(holder: &Blocker) -> String {
    name(holder.owner.as_str(), holder.principal.as_deref())
}

/// The lease, since when it is held, and what its holder waits for.
pub(super) fn is_held_for(holder: &Blocker, clock: Clock) -> String {
    let waits = holder.waits_for.as_ref().map(|name| format!(", waits for {}", printable(name.as_str())));
    format!(
        "token {}, {}, for {}{}",
        holder.fencing_token,
        holder.mode.as_str(),
        clock.since(holder.acquired_at),
        waits.unwrap_or_default()
    )
}
