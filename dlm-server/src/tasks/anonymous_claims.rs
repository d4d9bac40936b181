//! Searches for claims of the anonymous principal, until none are left.
//!
//! There is no index on principals: every acquire would have to write it. So the search
//! reads the claims table in key order, once, and waits at each claim that it finds.

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::Micros;
use tokio_util::sync::CancellationToken;

use crate::anonymous_claims::{AnonymousClaims, SearchStep};
use crate::background::Attempts;
use crate::store::{ClaimRowKey, KeyRange, Reader};

/// Claims read per step.
const RANGE: i64 = 2_000;
/// Between two steps: others use the connection too.
const PAUSE: Duration = Duration::from_millis(5);
/// Time until a claim that was found is checked again.
const FOUND_PAUSE: Duration = Duration::from_secs(5);
/// How often to check whether a search has to begin.
const IDLE_PAUSE: Duration = Duration::from_secs(1);

/// Searches until `stop` is cancelled. Blocks.
pub(super) async fn run(
    claims: Arc<AnonymousClaims>,
    reader: Arc<dyn Reader>,
    mut attempts: Attempts,
    stop: CancellationToken,
) {
    // None of the claims up to this one are of the anonymous principal.
    let mut searched: Option<ClaimRowKey> = None;
    loop {
        let step = claims.next_step();
        if step == SearchStep::Begin {
            searched = None;
        }
        let range = match step {
            SearchStep::Pause => None,
            // When they ended does not matter.
            SearchStep::Begin | SearchStep::Continue => {
                Some(reader.key_range(searched.as_ref(), Micros(0), RANGE))
            }
        };
        let pause = match range {
            None => IDLE_PAUSE,
            Some(Err(error)) => {
                attempts.failed(&error);
                IDLE_PAUSE
            }
            Some(Ok(range)) => {
                attempts.succeeded();
                match range {
                    Some(KeyRange { anonymous: true, .. }) => FOUND_PAUSE,
                    Some(KeyRange { last, more: true, .. }) => {
                        searched = Some(last);
                        PAUSE
                    }
                    _ => {
                        if claims.found_none() {
                            tracing::debug!("no claims from before authentication are left");
                        }
                        IDLE_PAUSE
                    }
                }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}
