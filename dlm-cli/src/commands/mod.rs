//! The commands other than `run` and `top`, one a file.

mod check;
mod completions;
mod explain;
mod force_release;
mod history;
mod holder;
mod login;
mod ls;
mod man;
mod owners;
mod request_release;
mod status;
mod watch;
mod whoami;

use std::process::ExitCode;
use std::time::Duration;

use dlm_client::Client;

pub(crate) use self::completions::completions;
pub(crate) use self::man::man;
use crate::arguments::{Command, GlobalOptions};
use crate::connection::connect;
use crate::failure::Failure;
use crate::output::Output;
use crate::top;

/// How long to wait for the connections to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Executes a command that talks to a server.
pub(crate) async fn execute(
    command: Command,
    options: &GlobalOptions,
    output: &Output,
) -> Result<ExitCode, Failure> {
    if let Command::Login { server } = command {
        login::login(server, options, output).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let client = connect(options).await?;
    let result = query(&client, command, output).await;
    // Nothing is held, so nothing is lost if this takes too long.
    client.close(CLOSE_WITHIN).await.ok();
    result.map(|()| ExitCode::SUCCESS)
}

async fn query(client: &Client, command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Ls(arguments) => ls::ls(client, arguments, output).await,
        Command::Status { name } => status::status(client, &name, output).await,
        Command::Explain { name, owner } => explain::explain(client, &name, owner.as_deref(), output).await,
        Command::Owners { owner: Some(owner), .. } => owners::owner(client, &owner, output).await,
        Command::Owners { owner: None, limit } => owners::owners(client, limit, output).await,
        Command::Principal { name } => owners::principal(client, &name, output).await,
        Command::Watch(arguments) => watch::watch(client, arguments, output).await,
        Command::History { name, limit } => history::history(client, &name, limit, output).await,
        Command::ForceRelease(arguments) => force_release::force_release(client, &arguments, output).await,
        Command::RequestRelease(arguments) => {
            request_release::request_release(client, &arguments, output).await
        }
        Command::Check { name, token } => check::check(client, &name, token, output).await,
        Command::Whoami => whoami::whoami(client, output).await,
        Command::Top { prefix } => top::top(client, &prefix).await,
        Command::Run(_) | Command::Login { .. } | Command::Completions { .. } | Command::Man { .. } => {
            Err(Failure::other("this command talks to no server"))
        }
    }
}
