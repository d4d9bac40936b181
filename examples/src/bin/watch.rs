//! Prints lock events as text or as JSON lines.

use std::io::Write;

use clap::Parser;
use dlm_client::{Client, Event, EventItem};
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
        events = events.resource(resource)?;
    }
    if let Some(cursor) = &arguments.after {
        events = events.after(cursor);
    }
    let mut output = std::io::stdout();
    loop {
        let item = tokio::select! {
            item = events.next() => item,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                return Ok(());
            }
        };
        let Some(item) = item else { return Ok(()) };
        let line = if arguments.json { json_line(&item?)? } else { text_line(&item?) };
        let written = writeln!(output, "{line}").and_then(|()| output.flush());
        // The reader of the pipe has exited, such as `head`.
        if written.is_err() {
            return Ok(());
        }
    }
}

fn json_line(item: &EventItem) -> serde_json::Result<String> {
    match item {
        EventItem::Event(event) => serde_json::to_string(event),
        EventItem::Renewed(renewal) => serde_json::to_string(renewal),
        EventItem::Synced => Ok(json!({"type": "synced"}).to_string()),
        _ => Ok(json!({"type": "cursor_lost"}).to_string()),
    }
}

fn text_line(item: &EventItem) -> String {
    match item {
        EventItem::Event(event) => event_line(event),
        EventItem::Renewed(renewal) => {
            format!("{:<14} {} #{}", "renewed", renewal.resource, renewal.fencing_token)
        }
        EventItem::Synced => "-- live events from here on".into(),
        _ => "-- cursor expired: some events were missed".into(),
    }
}

fn event_line(event: &Event) -> String {
    let time = event.at.to_string();
    let token = event.fencing_token.map(|token| format!(" #{token}")).unwrap_or_default();
    let owner = if event.owner.as_str().is_empty() { String::new() } else { format!(" by {}", event.owner) };
    let waiting = if event.queue_len > 0 { format!(", {} waiting", event.queue_len) } else { String::new() };
    let reason = event.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let kind = event.kind.as_str().replace('_', " ");
    format!("{time} {kind:<14} {}{token}{owner}{waiting}{reason}", event.resource)
}
