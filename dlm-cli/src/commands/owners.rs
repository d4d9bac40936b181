//! `dlm owners` and `dlm principal`.

use dlm_client::{
    Client, OwnedLease, OwnedWait, Owner, OwnerDetails, OwnerPage, PrincipalDetails, Timestamp,
};

use super::holder::{holder, is_held_for, name};
use crate::failure::Failure;
use crate::output::{Clock, Output, Style, Table, printable};

/// Prints what owners hold, wait for and block.
pub(super) async fn owners(client: &Client, limit: u64, output: &Output) -> Result<(), Failure> {
    let page = client.owners(limit).await?;
    if output.json() {
        return Ok(page.owners.iter().try_for_each(|owner| output.object(owner))?);
    }
    table(&page, output.style(), Clock::now()).iter().try_for_each(|line| output.line(line))?;
    Ok(())
}

/// Prints the locks of one owner.
pub(super) async fn owner(client: &Client, owner: &str, output: &Output) -> Result<(), Failure> {
    let details = client.owner(owner).await?;
    if output.json() {
        return Ok(output.object(&details)?);
    }
    lines(&details, output.style(), Clock::now()).iter().try_for_each(|line| output.line(line))?;
    Ok(())
}

/// Prints the owners and locks of one principal.
pub(super) async fn principal(client: &Client, name: &str, output: &Output) -> Result<(), Failure> {
    let details = client.principal(name).await?;
    if output.json() {
        return Ok(output.object(&details)?);
    }
    lines_of_principal(&details, output.style(), Clock::now())
        .iter()
        .try_for_each(|line| output.line(line))?;
    Ok(())
}

/// The server looks at a part of what is in use.
const INCOMPLETE: &str = "more is in use than the server looks at: there may be more";

fn table(page: &OwnerPage, style: Style, clock: Clock) -> Vec<String> {
    let mut table = Table::new(["OWNER", "BLOCKS", "HOLDS", "WAITS", "HELD", "WAITING"]);
    let since = |at: Option<Timestamp>| at.map(|at| clock.since(at)).unwrap_or_default();
    for owner in &page.owners {
        table.row([
            name(owner.owner.as_str(), owner.principal.as_deref()),
            owner.blocked.to_string(),
            owner.holds.to_string(),
            owner.waits.to_string(),
            since(owner.oldest_held_at),
            since(owner.oldest_enqueued_at),
        ]);
    }
    let incomplete = (!page.complete).then(|| style.warning(INCOMPLETE));
    table.lines(style).into_iter().chain(incomplete).collect()
}

fn lines(details: &OwnerDetails, style: Style, clock: Clock) -> Vec<String> {
    let owner = style.strong(name(details.owner.as_str(), None));
    let OwnerDetails { hold_count, wait_count, blocked, .. } = details;
    let mut lines = vec![format!("{owner}: holds {hold_count}, waits for {wait_count}, blocks {blocked}")];
    lines.extend(details.holds.iter().map(|held| hold_line(held, "", clock)));
    lines.extend(details.waits.iter().map(|wait| wait_line(wait, "", clock)));
    lines.extend((!details.complete).then(|| style.warning(INCOMPLETE)));
    lines
}

fn lines_of_principal(details: &PrincipalDetails, style: Style, clock: Clock) -> Vec<String> {
    let principal = style.strong(printable(&details.principal));
    let PrincipalDetails { owner_count, hold_count, wait_count, blocked, .. } = details;
    let counts = format!("{owner_count} owners hold {hold_count}, wait for {wait_count}, block {blocked}");
    let mut lines = vec![format!("{principal}: {counts}")];
    let by = |owner: &Owner| format!(" by {}", name(owner.as_str(), None));
    lines.extend(details.holds.iter().map(|held| hold_line(held, &by(&held.lease.owner), clock)));
    lines.extend(details.waits.iter().map(|wait| wait_line(wait, &by(&wait.owner), clock)));
    lines.extend((!details.complete).then(|| style.warning(INCOMPLETE)));
    lines
}

/// `by`: who holds it, if that is not clear.
fn hold_line(held: &OwnedLease, by: &str, clock: Clock) -> String {
    let resource = printable(held.resource.as_str());
    format!("  holds {resource}{by}, {}, blocks {}", is_held_for(&held.lease, clock), held.blocked)
}

/// `by`: who waits, if that is not clear.
fn wait_line(wait: &OwnedWait, by: &str, clock: Clock) -> String {
    let holders: Vec<String> = wait.holders.iter().map(holder).collect();
    let held = if holders.is_empty() { String::new() } else { format!(", held by {}", holders.join(", ")) };
    format!(
        "  waits for {}{by}, place {}, {}, for {}{held}",
        printable(wait.resource.as_str()),
        wait.position,
        wait.mode.as_str(),
        clock.since(wait.enqueued_at),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock::at(serde_json::from_str(r#""2026-01-01T00:00:10.000Z""#).unwrap())
    }

    #[test]
    fn owners_are_listed_with_what_they_block() {
        let page: OwnerPage = serde_json::from_str(
            r#"{"at": "2026-01-01T00:00:10.000Z", "complete": false, "next": null, "owners": [
                {"owner": "api-7", "principal": "api", "holds": 2, "waits": 0, "blocked": 140,
                 "oldest_held_at": "2026-01-01T00:00:00.000Z", "oldest_enqueued_at": null}]}"#,
        )
        .unwrap();
        let expected = [
            "OWNER         BLOCKS  HOLDS  WAITS  HELD  WAITING",
            "api-7 as api  140     2      0      10s",
            INCOMPLETE,
        ];
        assert_eq!(table(&page, Style::new(false), clock()), expected);
    }

    #[test]
    fn an_owner_is_shown_with_its_locks() {
        let holder = r#"{"mode": "exclusive", "owner": "o\u001b", "fencing_token": 4, "acquired_at": "2026-01-01T00:00:00.000Z",
            "expires_at": "2026-01-01T00:00:30.000Z", "waits_for": null"#;
        let details: OwnerDetails = serde_json::from_str(&format!(
            r#"{{"at": "2026-01-01T00:00:10.000Z", "complete": true, "owner": "o", "hold_count": 1, "wait_count": 1, "blocked": 2,
                "holds": [{holder}, "resource": "a", "blocked": 2}}],
                "waits": [{{"resource": "b", "mode": "shared", "position": 3, "enqueued_at": "2026-01-01T00:00:05.000Z",
                    "holder_count": 1, "holders": [{holder}}}]}}]}}"#
        ))
        .unwrap();
        let expected = [
            "o: holds 1, waits for 1, blocks 2",
            "  holds a, token 4, exclusive, for 10s, blocks 2",
            "  waits for b, place 3, shared, for 5s, held by o\u{fffd}",
        ];
        assert_eq!(lines(&details, Style::new(false), clock()), expected);
    }

    #[test]
    fn a_principal_is_shown_with_the_locks_of_its_owners() {
        let details: PrincipalDetails = serde_json::from_str(
            r#"{"at": "2026-01-01T00:00:10.000Z", "complete": true, "principal": "api", "owner_count": 2, "owners": [],
                "hold_count": 1, "wait_count": 1, "blocked": 2,
                "holds": [{"mode": "exclusive", "owner": "api-7", "principal": "api", "fencing_token": 4, "waits_for": null,
                    "acquired_at": "2026-01-01T00:00:00.000Z", "expires_at": "2026-01-01T00:00:30.000Z",
                    "resource": "a", "blocked": 2}],
                "waits": [{"resource": "b", "owner": "", "mode": "shared", "position": 3,
                    "enqueued_at": "2026-01-01T00:00:05.000Z", "holder_count": 0, "holders": []}]}"#,
        )
        .unwrap();
        let expected = [
            "api: 2 owners hold 1, wait for 1, block 2",
            "  holds a by api-7, token 4, exclusive, for 10s, blocks 2",
            "  waits for b by someone, place 3, shared, for 5s",
        ];
        assert_eq!(lines_of_principal(&details, Style::new(false), clock()), expected);
    }
}
