//! `dlm top`.

use dlm_client::Client;

use crate::failure::Failure;

pub(crate) async fn top(_client: &Client, _prefix: &str) -> Result<(), Failure> {
    Err(Failure::other("not yet"))
}
