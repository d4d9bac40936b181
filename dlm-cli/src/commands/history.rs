//! `dlm history`.

use dlm_client::Client;

use crate::failure::Failure;
use crate::output::{Clock, Output, event_line};

/// Prints the latest events of a lock, the oldest first.
pub(super) async fn history(client: &Client, name: &str, limit: u64, output: &Output) -> Result<(), Failure> {
    let clock = Clock::now();
    for event in client.history(name, limit).await? {
        if output.json() {
            output.object(&event)?;
        } else {
            output.line(&event_line(&event, output.style(), clock))?;
        }
    }
    Ok(())
}
