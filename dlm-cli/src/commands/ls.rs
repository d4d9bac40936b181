//! `dlm ls`.

use dlm_client::{Client, LockStatus, StateFilter};

use crate::arguments::ListArguments;
use crate::failure::{Failure, name_of};
use crate::output::{Clock, Output, Table, printable};

/// Lists locks, in the order of their names. The list is read page by page.
pub(super) async fn ls(client: &Client, arguments: ListArguments, output: &Output) -> Result<(), Failure> {
    let state = match &arguments {
        ListArguments { all: true, .. } => StateFilter::All,
        ListArguments { waiting: true, .. } => StateFilter::Waiting,
        _ => StateFilter::Held,
    };
    let mut locks = client.locks().prefix(arguments.prefix).state(state);
    let limit = arguments.limit.unwrap_or(usize::MAX);
    let mut table = Table::new(["NAME", "MODE", "HOLDER", "TOKEN", "HELD FOR", "EXPIRES", "WAITING"]);
    let clock = Clock::now();
    let mut listed = 0;
    while listed < limit {
        let Some(status) = locks.next().await else { break };
        let status = status?;
        listed += 1;
        if output.json() {
            output.object(&status)?;
        } else {
            table.row(row(&status, clock));
        }
    }
    if !output.json() && listed > 0 {
        table.lines(output.style()).iter().try_for_each(|line| output.line(line))?;
    }
    Ok(())
}

fn row(status: &LockStatus, clock: Clock) -> [String; 7] {
    let first = status.holders.first();
    let of_first = |show: &dyn Fn(&dlm_client::Holder) -> String| first.map_or_else(|| "-".into(), show);
    let others = match status.holder_count.saturating_sub(1) {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    [
        printable(status.resource.as_str()),
        status.mode.map_or("free", |mode| mode.as_str()).into(),
        of_first(&|holder| printable(name_of(holder.owner.as_str())) + &others),
        of_first(&|holder| holder.fencing_token.to_string()),
        of_first(&|holder| clock.since(holder.acquired_at)),
        of_first(&|holder| clock.relative(holder.expires_at)),
        status.queue_len.to_string(),
    ]
}
