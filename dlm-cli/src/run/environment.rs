//! The environment of the command.

use std::env;
use std::process::Command;

use dlm_client::FencingToken;

use crate::exit_code::Kind;
use crate::failure::Failure;

const RESOURCE: &str = "DLM_RESOURCE";
const FENCING_TOKEN: &str = "DLM_FENCING_TOKEN";
/// The names of the locks that are held around a command, one a line: a name has no line breaks.
const HELD: &str = "DLM_HELD";

/// Fails if a `dlm run` around this one holds the same lock. An exclusive request would wait for
/// itself. A shared one would be granted, until an exclusive request waits in between.
pub(super) fn refuse_nested(name: &str, shared: bool) -> Result<(), Failure> {
    let held = env::var(HELD).unwrap_or_default();
    if held.lines().any(|held| held == name) {
        let why = if shared {
            "it would wait for itself whenever an exclusive request waits or holds"
        } else {
            "it would wait for itself"
        };
        let message =
            format!("this command already runs under the lock `{name}`, which is not reentrant: {why}");
        return Err(Failure::of(Kind::NotAcquired, message)
            .hint(format!("if the outer lock is another server's, unset {HELD}")));
    }
    Ok(())
}

/// Sets the variables of the command, instead of those of a `dlm run` around this one.
pub(super) fn set(command: &mut Command, name: &str, token: FencingToken, pass_token: bool) {
    let mut held = env::var(HELD).unwrap_or_default();
    held.push_str(name);
    held.push('\n');
    command.env(RESOURCE, name).env(FENCING_TOKEN, token.to_string()).env(HELD, held);
    if !pass_token {
        command.env_remove("DLM_TOKEN");
    }
}
