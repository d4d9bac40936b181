//! `dlm explain`.

use dlm_client::{Blocker, Client, Explanation, HoldStatistics, QueuedWaiter};

use super::holder::{holder, is_held_for};
use crate::failure::{Failure, name_of};
use crate::output::{Clock, Output, Style, milliseconds, printable};

pub(super) async fn explain(
    client: &Client,
    name: &str,
    owner: Option<&str>,
    output: &Output,
) -> Result<(), Failure> {
    let explanation = match owner {
        Some(owner) => client.explain_wait(name, owner).await?,
        None => client.explain(name).await?,
    };
    if output.json() {
        return Ok(output.object(&explanation)?);
    }
    lines(&explanation, output.style(), Clock::now()).iter().try_for_each(|line| output.line(line))?;
    Ok(())
}

fn lines(explanation: &Explanation, style: Style, clock: Clock) -> Vec<String> {
    let state = if explanation.holders.is_empty() { style.good("free") } else { style.warning("held") };
    let name = style.strong(printable(explanation.resource.as_str()));
    let mut lines = vec![format!("{name}: {state}, {} waiting", explanation.queue_len)];
    let held = |row: &Blocker| {
        let checked = row.checked_at.map(|at| format!(", token checked {} ago", clock.since(at)));
        format!("  held by {}, {}{}", holder(row), is_held_for(row, clock), checked.unwrap_or_default())
    };
    lines.extend(explanation.holders.iter().map(held));
    let shown = u64::try_from(explanation.holders.len()).unwrap_or(u64::MAX);
    if explanation.holder_count > shown {
        lines.push(format!("  and {} more holders", explanation.holder_count - shown));
    }
    lines.extend(explanation.hold.as_ref().map(usual));
    let release = explanation.estimated_release_in_ms;
    lines.extend(release.map(|ms| match ms {
        0 => "  overdue: most earlier leases ended sooner".into(),
        _ => format!("  may be released in {}", milliseconds(ms)),
    }));
    lines.extend(explanation.next.iter().map(|next| format!("  next: {}", waiter(next, clock))));
    if let Some(found) = &explanation.waiter {
        let wait = match (found.estimated_wait_ms, release) {
            (None, _) => "it is not known when".into(),
            (Some(0), Some(0)) => "is granted once the holders let go".into(),
            (Some(ms), Some(0)) => format!("may be granted {} after the holders let go", milliseconds(ms)),
            (Some(ms), _) => format!("may be granted in {}", milliseconds(ms)),
        };
        lines.push(format!("  {}: {wait}", waiter(&found.waiter, clock)));
    }
    lines
}

fn usual(hold: &HoldStatistics) -> String {
    format!(
        "  usually held {} (95 % up to {}, at most {}, of {} leases)",
        milliseconds(hold.p50_ms),
        milliseconds(hold.p95_ms),
        milliseconds(hold.max_ms),
        hold.samples
    )
}

fn waiter(waiter: &QueuedWaiter, clock: Clock) -> String {
    let owner = printable(name_of(waiter.owner.as_str()));
    let since = clock.since(waiter.enqueued_at);
    format!("{}. {owner}, {}, waits {since}", waiter.position, waiter.mode.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explanation_shows_holders_the_next_ones_and_estimates() {
        let explanation: Explanation = serde_json::from_str(
            r#"{"at": "2026-01-01T00:00:10.000Z", "resource": "orders/42", "holders": [
                {"mode": "exclusive", "owner": "api-7", "principal": "api", "fencing_token": 42,
                 "acquired_at": "2026-01-01T00:00:00.000Z", "expires_at": "2026-01-01T00:00:30.000Z", "waits_for": "b",
                 "checked_at": "2026-01-01T00:00:07.000Z"}],
            "holder_count": 3, "queue_len": 2,
            "next": [{"owner": "", "mode": "exclusive", "position": 1, "enqueued_at": "2026-01-01T00:00:05.000Z"}],
            "hold": {"samples": 7, "p50_ms": 12, "p95_ms": 40, "max_ms": 61000, "recent_ms": [], "since": "2026-01-01T00:00:00.000Z"},
            "estimated_release_in_ms": 2000,
            "waiter": {"owner": "me", "mode": "shared", "position": 2, "enqueued_at": "2026-01-01T00:00:09.000Z",
                "estimated_wait_ms": null}}"#,
        )
        .unwrap();
        let clock = Clock::at(serde_json::from_str(r#""2026-01-01T00:00:10.000Z""#).unwrap());
        let expected = [
            "orders/42: held, 2 waiting",
            "  held by api-7 as api, token 42, exclusive, for 10s, waits for b, token checked 3s ago",
            "  and 2 more holders",
            "  usually held 12ms (95 % up to 40ms, at most 1m 1s, of 7 leases)",
            "  may be released in 2s",
            "  next: 1. someone, exclusive, waits 5s",
            "  2. me, shared, waits 1s: it is not known when",
        ];
        assert_eq!(lines(&explanation, Style::new(false), clock), expected);
        let turn = |release: Option<u64>, wait: Option<u64>| {
            let mut explanation = explanation.clone();
            explanation.estimated_release_in_ms = release;
            explanation.waiter.as_mut().unwrap().estimated_wait_ms = wait;
            lines(&explanation, Style::new(false), clock).split_off(4)
        };
        assert_eq!(turn(None, None).len(), 2);
        for (release, wait, expected) in [
            (2_000, 3_000, ["  may be released in 2s", "may be granted in 3s"]),
            (
                0,
                3_000,
                ["  overdue: most earlier leases ended sooner", "may be granted 3s after the holders let go"],
            ),
            (0, 0, ["  overdue: most earlier leases ended sooner", "is granted once the holders let go"]),
        ] {
            let shown = turn(Some(release), Some(wait));
            assert_eq!(
                (shown[0].as_str(), shown[2].rsplit(": ").next().unwrap()),
                (expected[0], expected[1])
            );
        }
    }
}
