//! `dlm whoami`.

use dlm_client::Client;

use crate::failure::Failure;
use crate::output::{Clock, Output, printable};

pub(super) async fn whoami(client: &Client, output: &Output) -> Result<(), Failure> {
    let me = client.whoami().await?;
    if output.json() {
        return Ok(output.object(&me)?);
    }
    let name = if me.principal.is_empty() { "anonymous".into() } else { printable(&me.principal) };
    output.line(&output.style().strong(name))?;
    for rule in &me.rules {
        let below = if rule.prefix.is_empty() {
            "all names".into()
        } else {
            format!("`{}`", printable(&rule.prefix))
        };
        output.line(&format!("  {:<8} {below}", rule.role.as_str()))?;
    }
    if let Some(expiry) = me.expires_at {
        output.line(&format!("  the credential expires {}", Clock::now().both(expiry)))?;
    }
    Ok(())
}
