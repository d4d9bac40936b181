//! `dlm check`.

use dlm_client::{Client, FencingToken};

use crate::failure::Failure;
use crate::output::Output;

/// Fails if the token is not that of a live lease.
pub(super) async fn check(
    client: &Client,
    name: &str,
    token: FencingToken,
    output: &Output,
) -> Result<(), Failure> {
    let checked = client.check(name, token).await?;
    let printed = match (output.json(), checked.live) {
        (true, _) => output.object(&checked),
        (false, true) => output.line(&format!("token {token} is live")),
        (false, false) => Ok(()),
    };
    // The exit code is the answer, even if nobody reads the output.
    if checked.live {
        return Ok(printed?);
    }
    Err(Failure::negative(format!(
        "token {token} is not live; the current token is {}",
        checked.current_token
    )))
}
