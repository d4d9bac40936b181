//! What a queued `dlm run` waits for.

use std::convert::Infallible;
use std::time::Duration;

use dlm_client::{Client, LockStatus};

use super::report::{News, Reporter};
use crate::failure::name_of;
use crate::output::Clock;

/// A wait that is shorter is not reported.
const FIRST_AFTER: Duration = Duration::from_millis(300);
/// How often the place is looked up. It grows, so that a long queue costs the server little.
const EVERY: Duration = Duration::from_secs(1);
const MAX_EVERY: Duration = Duration::from_secs(10);

/// Tells the place in the queue whenever it has changed. Ends by being dropped.
pub(super) async fn report(
    client: &Client,
    name: &str,
    owner: &str,
    reporter: &Reporter,
    reported: &mut bool,
) -> Infallible {
    let mut pause = FIRST_AFTER;
    let mut last = None;
    loop {
        tokio::time::sleep(pause).await;
        pause = if last.is_none() { EVERY } else { (pause * 5 / 4).clamp(EVERY, MAX_EVERY) };
        // The wait itself goes on, whatever this request runs into.
        let Ok(status) = client.status(name).await else { continue };
        let Some(place) = place(&status, owner) else { continue };
        if last != Some(place) {
            last = Some(place);
            *reported = true;
            tell(&status, place, reporter);
        }
    }
}

/// The position, if it is known, and the length of the queue. None if nobody waits.
fn place(status: &LockStatus, owner: &str) -> Option<(Option<u64>, u64)> {
    let waiters = status.waiters.as_deref().unwrap_or_default();
    let mut own = waiters.iter().filter(|waiter| waiter.owner.as_str() == owner);
    // An owner that was given by hand may wait several times.
    let position = own.next().filter(|_| own.next().is_none()).map(|waiter| waiter.position);
    (status.queue_len > 0).then_some((position, status.queue_len))
}

fn tell(status: &LockStatus, (position, queue_len): (Option<u64>, u64), reporter: &Reporter) {
    let holder = status.holders.first();
    let held_for = holder.map(|holder| Clock::now().since(holder.acquired_at));
    let holder = holder.map(|holder| name_of(holder.owner.as_str()));
    reporter.tell(&News::Waiting { position, queue_len, holder, held_for });
}
