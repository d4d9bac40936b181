//! `dlm status`.

use dlm_client::{Client, Holder, LockStatus, PendingRelease, Waiter};

use crate::failure::{Failure, name_of};
use crate::output::{Clock, Output, Style, printable};

pub(super) async fn status(client: &Client, name: &str, output: &Output) -> Result<(), Failure> {
    let status = client.status(name).await?;
    if output.json() {
        return Ok(output.object(&status)?);
    }
    lines(&status, output.style(), Clock::now()).iter().try_for_each(|line| output.line(line))?;
    Ok(())
}

fn lines(status: &LockStatus, style: Style, clock: Clock) -> Vec<String> {
    let state = match status.mode {
        Some(mode) => style.warning(format!("held, {}", mode.as_str())),
        None => style.good("free"),
    };
    let name = style.strong(printable(status.resource.as_str()));
    let mut lines = vec![format!("{name}: {state}, token {}", status.current_token)];
    lines.extend(status.holders.iter().flat_map(|holder| holder_lines(holder, clock)));
    lines.extend(more(status.holder_count, status.holders.len(), "holders"));
    let waiters = status.waiters.as_deref().unwrap_or_default();
    lines.extend(waiters.iter().map(|waiter| waiter_line(waiter, style, clock)));
    lines.extend(more(status.queue_len, waiters.len(), "waiters"));
    lines
}

fn holder_lines(holder: &Holder, clock: Clock) -> Vec<String> {
    let principal =
        holder.principal.as_ref().map(|name| format!(" as {}", printable(name))).unwrap_or_default();
    let owner = printable(name_of(holder.owner.as_str()));
    let mut lines = vec![
        format!("  held by {owner}{principal}, token {}", holder.fencing_token),
        format!("    since   {}", clock.both(holder.acquired_at)),
        format!("    expires {}", clock.both(holder.expires_at)),
    ];
    lines.extend(holder.release_requested.as_deref().map(|request| asked(request, clock)));
    let pairs = holder.metadata.pairs().iter();
    lines.extend(pairs.map(|(key, value)| format!("    {} = {}", printable(key), printable(value))));
    lines
}

fn asked(request: &PendingRelease, clock: Clock) -> String {
    let by = request.requested_by.as_ref().map(|name| format!(" by {}", printable(name)));
    let then = if request.force { ", then force-released" } else { "" };
    format!(
        "    asked to let go{}: {}; deadline {}{then}",
        by.unwrap_or_default(),
        printable(&request.reason),
        clock.both(request.deadline)
    )
}

fn waiter_line(waiter: &Waiter, style: Style, clock: Clock) -> String {
    let away = if waiter.away { style.warning(", away") } else { String::new() };
    format!(
        "  {}. {} waits, {}, since {}{away}",
        waiter.position,
        printable(name_of(waiter.owner.as_str())),
        waiter.mode.as_str(),
        clock.both(waiter.enqueued_at),
    )
}

/// That there are more than the server lists.
fn more(count: u64, listed: usize, what: &str) -> Option<String> {
    let hidden = usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(listed);
    (hidden > 0).then(|| format!("  and {hidden} more {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_shows_holders_and_waiters_with_their_times() {
        let status: LockStatus = serde_json::from_str(
            r#"{"resource": "orders/42", "state": "held", "mode": "exclusive", "current_token": 42, "queue_len": 5,
            "holders": [{"mode": "exclusive", "owner": "api-7", "fencing_token": 42, "ttl_ms": 30000,
                "acquired_at": "2026-01-01T00:00:00.000Z", "expires_at": "2026-01-01T00:00:30.000Z",
                "metadata": {"job": "\u001b[31m"}, "principal": "api",
                "release_requested": {"reason": "deploy\u001b", "requested_by": "ops", "force": true,
                    "requested_at": "2026-01-01T00:00:09.000Z", "deadline": "2026-01-01T00:00:29.000Z"}}],
            "waiters": [{"waiter_id": "w", "position": 1, "mode": "shared", "owner": "", "away": true,
                "enqueued_at": "2026-01-01T00:00:05.000Z", "deadline": "2026-01-01T00:01:00.000Z"}],
            "holder_count": 1, "version": 17}"#,
        )
        .unwrap();
        let clock = Clock::at(serde_json::from_str(r#""2026-01-01T00:00:10.000Z""#).unwrap());
        let expected = [
            "orders/42: held, exclusive, token 42",
            "  held by api-7 as api, token 42",
            "    since   10s ago (2026-01-01T00:00:00.000Z)",
            "    expires in 20s (2026-01-01T00:00:30.000Z)",
            "    asked to let go by ops: deploy\u{fffd}; deadline in 19s (2026-01-01T00:00:29.000Z), then force-released",
            "    job = \u{fffd}[31m",
            "  1. someone waits, shared, since 5s ago (2026-01-01T00:00:05.000Z), away",
            "  and 4 more waiters",
        ];
        assert_eq!(lines(&status, Style::new(false), clock), expected);
    }
}
