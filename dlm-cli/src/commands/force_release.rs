//! `dlm force-release`.

use std::io::{self, BufRead, IsTerminal, Write};

use dlm_client::{Client, Holder, ProblemCode};

use crate::arguments::ForceReleaseArguments;
use crate::failure::{Failure, name_of};
use crate::output::{Clock, Output, printable};

/// Ends one lease, the one with the token. Asks first, unless told not to.
pub(super) async fn force_release(
    client: &Client,
    arguments: &ForceReleaseArguments,
    output: &Output,
) -> Result<(), Failure> {
    let ForceReleaseArguments { name, token, reason, yes } = arguments;
    if !yes {
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Err(Failure::usage("there is no terminal to ask at")
                .hint("give --yes to force-release without being asked"));
        }
        let status = client.status(name).await?;
        let Some(holder) = status.holders.iter().find(|holder| holder.fencing_token == *token) else {
            return Err(other_holder(name, *token, &status.holders));
        };
        if !confirmed(name, holder)? {
            return Err(Failure::negative("nothing was changed"));
        }
    }
    match client.force_release(name, *token, reason).await {
        Ok(released) if output.json() => output.object(&released)?,
        Ok(released) => {
            let owner = printable(name_of(released.released.owner.as_str()));
            output.line(&format!("`{}` of {owner} was released", printable(name)))?;
        }
        Err(error) if error.code() == Some(ProblemCode::HolderChanged) => {
            return Err(other_holder(name, *token, error.holders()));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// The failure of an operation on a lease that is not live, with the leases that are.
pub(super) fn other_holder(name: &str, token: dlm_client::FencingToken, holders: &[Holder]) -> Failure {
    let failure = Failure::negative(format!("no live lease of `{}` has the token {token}", printable(name)));
    let holders: Vec<String> = holders
        .iter()
        .map(|holder| {
            format!("{} with token {}", printable(name_of(holder.owner.as_str())), holder.fencing_token)
        })
        .collect();
    let hint = if holders.is_empty() {
        "it is free".into()
    } else {
        format!("it is held by {}", holders.join(", "))
    };
    failure.hint(hint)
}

fn confirmed(name: &str, holder: &Holder) -> io::Result<bool> {
    let owner = printable(name_of(holder.owner.as_str()));
    let held = Clock::now().both(holder.acquired_at);
    let mut terminal = io::stderr();
    write!(terminal, "`{}` is held by {owner} since {held}.\nForce-release it? [y/N] ", printable(name))?;
    terminal.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
