//! `dlm request-release`.

use std::time::Duration;

use dlm_client::{Client, ProblemCode, RequestedRelease};

use super::force_release::other_holder;
use crate::arguments::RequestReleaseArguments;
use crate::failure::Failure;
use crate::output::{Clock, Output, printable};

/// Asks the holder of one lease to let go of it.
pub(super) async fn request_release(
    client: &Client,
    arguments: &RequestReleaseArguments,
    output: &Output,
) -> Result<(), Failure> {
    let RequestReleaseArguments { name, token, reason, within, force } = arguments;
    match client.request_release(name, *token, reason, *within, *force).await {
        Ok(requested) if output.json() => output.object(&requested)?,
        Ok(requested) => {
            let deadline = Clock::now().both(requested.deadline);
            let then = if requested.forced { ", then force-released" } else { "" };
            let asked = if is_earlier(&requested, arguments) {
                "was asked before, and that request stands"
            } else {
                "is asked to let go"
            };
            output
                .line(&format!("the holder of `{}` {asked}: deadline {deadline}{then}", printable(name)))?;
        }
        Err(error) if error.code() == Some(ProblemCode::HolderChanged) => {
            return Err(other_holder(name, *token, error.holders()));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Whether the answer is that to an earlier request with other arguments. A lease has one request.
fn is_earlier(requested: &RequestedRelease, arguments: &RequestReleaseArguments) -> bool {
    let micros = requested.deadline.as_micros().saturating_sub(requested.requested_at.as_micros());
    let within = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
    requested.forced != arguments.force || within.as_millis() != arguments.within.as_millis()
}
