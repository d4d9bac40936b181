//! Holds a lock and reports the state of its guard, for tests that stop and
//! continue this process.
//!
//! Usage: `dlm-test-holder URL NAME TTL_MS`. For every line on standard input it
//! prints one line: the guard's state, the remaining milliseconds, and whether the
//! token is `live` or `refused`.

use std::io::{BufRead, Write};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or("usage: dlm-test-holder URL NAME TTL_MS");
    let (url, name, ttl_ms) = (argument()?, argument()?, argument()?);
    let ttl = Duration::from_millis(ttl_ms.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.block_on(async {
        let client = dlm_client::Client::connect(&url).await?;
        client.lock(name).ttl(ttl).await
    })?;
    let mut output = std::io::stdout();
    writeln!(output, "token {}", guard.fencing_token())?;
    output.flush()?;
    for line in std::io::stdin().lock().lines() {
        line?;
        let token = if guard.live_token().is_ok() { "live" } else { "refused" };
        writeln!(output, "{:?} {} {token}", guard.state(), guard.remaining().as_millis())?;
        output.flush()?;
    }
    Ok(())
}
