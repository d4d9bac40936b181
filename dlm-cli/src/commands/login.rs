//! `dlm login`.

use std::env;
use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;

use crate::arguments::GlobalOptions;
use crate::connection::connect_as;
use crate::failure::Failure;
use crate::login_file::Login;
use crate::output::{Output, printable};

/// Asks for a token, checks it, and stores it with the URL.
pub(super) async fn login(
    server: Option<String>,
    options: &GlobalOptions,
    output: &Output,
) -> Result<(), Failure> {
    let url = server.or_else(|| options.url.clone()).or_else(|| env::var("DLM_URL").ok());
    let url = match url {
        Some(url) => url,
        None => Login::read()?.map(|login| login.url).ok_or_else(no_url)?,
    };
    // The login works from any directory.
    let ca = options.ca.clone().or_else(|| env::var_os("DLM_CA").map(PathBuf::from));
    let ca = ca.map(std::path::absolute).transpose()?;
    let login = Login { url, token: token(options)?, ca };
    let client = connect_as(&login).await?;
    let me = client.whoami().await?;
    let path = login.write()?;
    if output.json() {
        return Ok(output.object(&me)?);
    }
    let name = printable(&me.principal);
    Ok(output.line(&format!("logged in to {} as {name}; stored in {}", login.url, path.display()))?)
}

fn no_url() -> Failure {
    Failure::usage("no URL is given").hint("dlm login https://locks.example.org:7420")
}

/// The token: from a file, or else from standard input, as one line. None if that is empty.
fn token(options: &GlobalOptions) -> Result<Option<String>, Failure> {
    let file = options.token_file.clone();
    let text = match file {
        Some(path) => fs::read_to_string(&path)
            .map_err(|error| Failure::usage(format!("can't read {}: {error}", path.display())))?,
        None if io::stdin().is_terminal() => ask()?,
        None => line()?,
    };
    let token = text.trim();
    Ok((!token.is_empty()).then(|| token.to_owned()))
}

fn line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line)
}

/// Asks at the terminal, which does not show what is typed.
#[cfg(unix)]
fn ask() -> io::Result<String> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

    let stdin = io::stdin();
    let mut terminal = io::stderr();
    write!(terminal, "Token (empty if the server needs none): ")?;
    terminal.flush()?;
    let modes = tcgetattr(&stdin)?;
    let mut silent = modes.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
    let answer = line();
    tcsetattr(&stdin, OptionalActions::Flush, &modes)?;
    writeln!(terminal)?;
    answer
}

#[cfg(not(unix))]
fn ask() -> io::Result<String> {
    write!(io::stderr(), "Token, which is shown (empty if the server needs none): ")?;
    line()
}
