//! Prints lock events as text or as JSON lines.

use clap::Parser;
use dlm_client::{Client, Event, EventItem, EventKind};
use dlm_examples::{print_line, stop_requested};
use serde_json::json;

/// Print lock events. Each event is printed once, across reconnects and server
/// restarts.
#[derive(Debug, Parser)]
struct Arguments {
    /// URL of the lock server, or several separated by commas.
    #[arg(long, default_value = "http://127.0.0.1:7420")]
    server: String,
    /// Only locks whose name starts with this prefix.
    #[arg(long, default_value = "")]
    prefix: String,
    /// Only this lock.
    #[arg(long)]
    resource: Option<String>,
    /// Cursor to resume after, as printed with --json; by default, only new events.
    #[arg(long)]
    after: Option<String>,
    /// Also print renewals.
    #[arg(long)]
    renewals: bool,
    /// Print JSON lines instead of text.
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let client = Client::connect(&arguments.server).await?;
    let mut events = client.events().prefix(&arguments.prefix).renewals(arguments.renewals);
    if let Some(resource) = &arguments.resource {
        events = events.resource(resource);
    }
    if let Some(cursor) = &arguments.after {
        events = events.after(cursor);
    }
    loop {
        let item = tokio::select! {
            item = events.next() => item,
            requested = stop_requested() => return Ok(requested?),
        };
        let Some(item) = item else { return Ok(()) };
        let line = if arguments.json { json_line(&item?)? } else { text_line(&item?) };
        if !print_line(&line) {
            return Ok(());
        }
    }
}

fn json_line(item: &EventItem) -> serde_json::Result<String> {
    match item {
        EventItem::Event(event) => serde_json::to_string(event),
        EventItem::Renewed(renewal) => serde_json::to_string(renewal),
        EventItem::Synced => Ok(json!({"type": "synced"}).to_string()),
        EventItem::CursorLost => Ok(json!({"type": "cursor_lost"}).to_string()),
        // An item of a newer version of the client.
        _ => Ok(json!({"type": "unknown"}).to_string()),
    }
}

fn text_line(item: &EventItem) -> String {
    match item {
        EventItem::Event(event) => event_line(event),
        EventItem::Renewed(renewal) => {
            format!("{:<14} {} #{}", "renewed", renewal.resource, renewal.fencing_token)
        }
        EventItem::Synced => "-- live events from here on".into(),
        EventItem::CursorLost => "-- cursor expired: some events were missed".into(),
        _ => "-- unknown".into(),
    }
}

fn event_line(event: &Event) -> String {
    let time = event.at.to_string();
    let token = event.fencing_token.map(|token| format!(" #{token}")).unwrap_or_default();
    let owner = if event.owner.as_str().is_empty() { String::new() } else { format!(" by {}", event.owner) };
    let waiting = if event.queue_len > 0 { format!(", {} waiting", event.queue_len) } else { String::new() };
    let reason = event.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let kind = match event.kind {
        EventKind::Other => "unknown".to_owned(),
        kind => kind.as_str().replace('_', " "),
    };
    format!("{time} {kind:<14} {}{token}{owner}{waiting}{reason}", event.resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_of_an_unknown_kind_is_printed_as_unknown() {
        let event = r#"{"type": "event", "cursor": "c", "kind": "not_yet_known", "resource": "orders/42",
            "mode": "not_yet_known", "fencing_token": 7, "current_token": 7, "version": 1, "owner": "api",
            "waiter_id": null, "ttl_ms": null, "expires_at": null, "queue_len": 0,
            "at": "2026-01-01T00:00:00.000Z", "reason": null}"#;
        let line = event_line(&serde_json::from_str(event).unwrap());
        assert_eq!(line, "2026-01-01T00:00:00.000Z unknown        orders/42 #7 by api");
        assert_eq!(text_line(&EventItem::CursorLost), "-- cursor expired: some events were missed");
    }
}
