//! What a queued `dlm run` waits for.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use dlm_client::{Client, LockStatus, QueuePlace};
use tokio::sync::watch;

use super::report::{News, Reporter};
use crate::failure::name_of;
use crate::output::Clock;

/// A wait that is shorter is not reported.
const FIRST_AFTER: Duration = Duration::from_millis(300);

/// Tells the place in the queue whenever its position has changed. The server reports it to the request
/// itself, so a long queue costs little. Ends by being dropped.
pub(super) async fn report(
    client: &Client,
    name: &str,
    owner: &str,
    mut places: watch::Receiver<Option<QueuePlace>>,
    reporter: &Reporter,
    reported: &mut bool,
) -> Infallible {
    tokio::time::sleep(FIRST_AFTER).await;
    let mut last = None;
    loop {
        // For the holder. The wait itself goes on, whatever this request runs into.
        if let Ok(status) = client.status(name).await {
            let newest = *places.borrow_and_update();
            let newest = newest.map(|place| (Some(place.position), place.queue_len));
            if let Some(place) = newest.or_else(|| looked_up(&status, owner))
                && last != Some(place.0)
            {
                last = Some(place.0);
                *reported = true;
                tell(&status, place, reporter);
            }
        }
        if places.changed().await.is_err() {
            // The request has ended.
            pending::<()>().await;
        }
    }
}

/// The first place, before the server has reported any: the position, if it is known, and the length
/// of the queue. None if nobody waits.
fn looked_up(status: &LockStatus, owner: &str) -> Option<(Option<u64>, u64)> {
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
