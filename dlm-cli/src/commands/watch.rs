//! `dlm watch`.

use dlm_client::{Client, EventItem};
use serde_json::json;

use crate::arguments::WatchArguments;
use crate::failure::Failure;
use crate::output::{Clock, Output, event_line, printable};

/// Prints events until the program is stopped. The stream reconnects and resumes by itself.
pub(super) async fn watch(
    client: &Client,
    arguments: WatchArguments,
    output: &Output,
) -> Result<(), Failure> {
    let mut events = client.events().prefix(arguments.prefix).renewals(arguments.renewals);
    if let Some(name) = &arguments.name {
        events = events.resource(name);
    }
    if let Some(cursor) = arguments.after {
        events = events.after(cursor);
    }
    while let Some(item) = events.next().await {
        print(&item?, output)?;
    }
    Ok(())
}

fn print(item: &EventItem, output: &Output) -> std::io::Result<()> {
    let style = output.style();
    match item {
        EventItem::Event(event) if output.json() => output.object(event),
        EventItem::Event(event) => output.line(&event_line(event, style, Clock::now())),
        EventItem::Renewed(renewal) if output.json() => output.object(renewal),
        EventItem::Renewed(renewal) => {
            let until = Clock::now().both(renewal.expires_at);
            let name = printable(renewal.resource.as_str());
            output.line(&format!("renewed {name} #{}, expires {until}", renewal.fencing_token))
        }
        EventItem::Synced if output.json() => output.object(&json!({"type": "synced"})),
        EventItem::Synced => output.line(&style.faint("-- live from here on")),
        EventItem::CursorLost if output.json() => output.object(&json!({"type": "cursor_lost"})),
        EventItem::CursorLost => {
            output.line(&style.bad("-- some events were missed: the log is younger than the cursor"))
        }
        // An item of a newer version of the client.
        _ => Ok(()),
    }
}
