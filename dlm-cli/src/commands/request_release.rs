//! `dlm request-release`.

use dlm_client::{Client, ProblemCode};

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
            let then = if requested.forced { "; then it is force-released" } else { "" };
            output.line(&format!(
                "the holder of `{}` is asked to let go until {deadline}{then}",
                printable(name)
            ))?;
        }
        Err(error) if error.code() == Some(ProblemCode::HolderChanged) => {
            return Err(other_holder(name, *token, error.holders()));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
