//! An event as a line of text.

use dlm_client::{Event, EventKind};

use super::{Clock, Style, duration, printable};

/// Such as `2026-01-01T00:00:00.000Z (5s ago) granted orders/42 #7 to api-7, 2 waiting`.
pub(crate) fn event_line(event: &Event, style: Style, clock: Clock) -> String {
    let kind = match event.kind {
        EventKind::Other => "unknown".to_owned(),
        kind => kind.as_str().replace('_', " "),
    };
    let kind = format!("{kind:<14}");
    let kind = match event.kind {
        EventKind::Granted => style.good(kind),
        EventKind::Expired | EventKind::ForceReleased => style.bad(kind),
        EventKind::WaitTimedOut => style.warning(kind),
        _ => kind,
    };
    let time = style.faint(format!("{} {:>11}", event.at, clock.relative(event.at)));
    let mut line = format!("{time}  {kind} {}", style.strong(printable(event.resource.as_str())));
    if let Some(token) = event.fencing_token {
        line += &format!(" #{token}");
    }
    if !event.owner.as_str().is_empty() {
        line += &format!(" {}", printable(event.owner.as_str()));
    }
    let waited = event.waited_ms.map(std::time::Duration::from_millis);
    if let Some(waited) = waited.filter(|waited| waited.as_secs() > 0) {
        line += &format!(", waited {}", duration(waited));
    }
    if event.queue_len > 0 {
        line += &format!(", {} waiting", event.queue_len);
    }
    if let Some(by) = &event.by {
        line += &format!(", by {}", printable(by));
    }
    if let Some(reason) = &event.reason {
        line += &format!(" ({})", printable(reason));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_of_an_unknown_kind_is_printed_as_unknown() {
        let event = r#"{"type": "event", "cursor": "c", "kind": "not_yet_known", "resource": "orders/42",
            "mode": "not_yet_known", "fencing_token": 7, "current_token": 7, "version": 1, "owner": "api",
            "waiter_id": null, "ttl_ms": null, "expires_at": null, "queue_len": 2, "waited_ms": 61000,
            "at": "2026-01-01T00:00:00.000Z", "reason": "a\u001b[2J"}"#;
        let event: Event = serde_json::from_str(event).unwrap();
        let line = event_line(&event, Style::new(false), Clock::at(event.at));
        let expected = "2026-01-01T00:00:00.000Z         now  unknown        orders/42 #7 api, waited 1m 1s, \
            2 waiting (a\u{fffd}[2J)";
        assert_eq!(line, expected);
    }
}
