//! The client: from flags, environment and login file.

use std::env;
use std::path::Path;

use dlm_client::{BearerToken, Client, ClientBuilder};

use crate::arguments::GlobalOptions;
use crate::failure::Failure;
use crate::login_file::Login;

/// Connects to the server. Flags come before the environment, and that before the login file.
pub(crate) async fn connect(options: &GlobalOptions) -> Result<Client, Failure> {
    let environment_url = env::var_os("DLM_URL");
    let login = match Login::read() {
        // A mistake in it is no obstacle where all is given.
        Err(_) if has_token(options) && (options.url.is_some() || environment_url.is_some()) => None,
        login => login?,
    };
    let mut builder = ClientBuilder::from_env();
    if let Some(url) = &options.url {
        builder = builder.address(url);
    }
    if let Some(login) = login {
        let given =
            options.url.clone().or_else(|| environment_url.map(|url| url.to_string_lossy().into_owned()));
        // The token is that server's: no other one gets it.
        if given.as_ref().is_none_or(|url| *url == login.url) {
            builder = logged_in(builder.address(&login.url), &login, options)?;
        }
    }
    if let Some(path) = &options.token_file {
        builder = builder.bearer_token_file(path);
    }
    if let Some(path) = &options.ca {
        builder = builder.root_certificate(read(path)?);
    }
    Ok(builder.connect().await?)
}

/// Connects to check a login before it is stored.
pub(crate) async fn connect_as(login: &Login) -> Result<Client, Failure> {
    let builder = Client::builder().address(&login.url);
    let builder = with_ca(builder, login.ca.as_deref())?;
    Ok(with_token(builder, login.token.as_deref())?.connect().await?)
}

fn logged_in(
    builder: ClientBuilder,
    login: &Login,
    options: &GlobalOptions,
) -> Result<ClientBuilder, Failure> {
    let ca = if options.ca.is_some() || env::var_os("DLM_CA").is_some() { None } else { login.ca.as_deref() };
    let token = if has_token(options) { None } else { login.token.as_deref() };
    with_token(with_ca(builder, ca)?, token)
}

/// Whether a flag or the environment has a token.
fn has_token(options: &GlobalOptions) -> bool {
    options.token_file.is_some()
        || ["DLM_TOKEN", "DLM_TOKEN_FILE"].iter().any(|name| env::var_os(name).is_some())
}

fn with_ca(builder: ClientBuilder, path: Option<&Path>) -> Result<ClientBuilder, Failure> {
    Ok(match path {
        Some(path) => builder.root_certificate(read(path)?),
        None => builder,
    })
}

fn with_token(builder: ClientBuilder, token: Option<&str>) -> Result<ClientBuilder, Failure> {
    Ok(match token {
        Some(token) => builder.bearer_token(BearerToken::new(token)?),
        None => builder,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::usage(format!("can't read {}: {error}", path.display())))
}
