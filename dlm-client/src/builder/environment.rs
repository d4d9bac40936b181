//! A client that is configured by environment variables.

use std::env;
use std::ffi::OsString;

use super::ClientBuilder;
use crate::client::Client;
use crate::credentials::{TokenProvider, TokenSource};
use crate::error::Error;
use crate::token::BearerToken;
use crate::transport::ServerAddress;

const URL: &str = "DLM_URL";
const TOKEN: &str = "DLM_TOKEN";
const TOKEN_FILE: &str = "DLM_TOKEN_FILE";
const CA: &str = "DLM_CA";

impl Client {
    /// Connects as the environment says; see [`ClientBuilder::from_env`].
    ///
    /// # Errors
    ///
    /// The errors of [`ClientBuilder::connect`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no connection or thread remains.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// let client = dlm_client::Client::from_env().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn from_env() -> Result<Self, Error> {
        ClientBuilder::from_env().connect().await
    }
}

impl ClientBuilder {
    /// Creates a builder that is configured by environment variables:
    ///
    /// | Variable | Means |
    /// |---|---|
    /// | `DLM_URL` | [`address`](Self::address): one URL (`unix:` and a path too), or several separated by commas |
    /// | `DLM_TOKEN` | [`bearer_token`](Self::bearer_token) |
    /// | `DLM_TOKEN_FILE` | [`bearer_token_file`](Self::bearer_token_file), instead of `DLM_TOKEN` |
    /// | `DLM_CA` | [`root_certificate`](Self::root_certificate): the path of a file in PEM format |
    ///
    /// Where a variable is not set, the default applies. Methods that are called afterwards
    /// take precedence.
    ///
    /// [`connect`](Self::connect) fails with [`is_invalid`](Error::is_invalid) if a variable
    /// is empty or invalid, or if both token variables are set. The error names the variable,
    /// and does not contain its value.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// let client = dlm_client::ClientBuilder::from_env().owner("api-7").connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_env() -> Self {
        Self::from_variables(|name| env::var_os(name))
    }

    fn from_variables(read: impl Fn(&str) -> Option<OsString>) -> Self {
        Self::try_from_variables(read).unwrap_or_else(|error| Self { settings: Err(error), ..Self::new() })
    }

    fn try_from_variables(read: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let set = |name| read(name).map(|value| (name, value));
        let mut builder = Self::new();
        if let Some((name, value)) = set(URL) {
            let urls = text(name, value)?;
            for url in urls.split(',') {
                let checked = ServerAddress::check(url.trim());
                checked.map_err(|why| invalid(name, &format!("has an invalid URL: {why}")))?;
            }
            builder = builder.address(urls);
        }
        builder = match (set(TOKEN), set(TOKEN_FILE)) {
            (None, None) => builder,
            (Some(_), Some(_)) => {
                return Err(Error::invalid(&format!("{TOKEN} and {TOKEN_FILE} must not both be set")));
            }
            (Some((name, value)), None) => {
                let token = BearerToken::new(text(name, value)?);
                builder.bearer_token(token.map_err(|why| invalid(name, &format!("is not usable: {why}")))?)
            }
            (None, Some((name, value))) => {
                let path = not_empty(name, value)?.into();
                let provider = TokenProvider::file(path, format!("the file in {name}"));
                builder.token_source(TokenSource::Provider(provider))
            }
        };
        if let Some((name, value)) = set(CA) {
            builder = trust(builder, name, not_empty(name, value)?)?;
        }
        Ok(builder)
    }
}

/// Trusts the certificates in a file.
#[cfg(feature = "tls")]
fn trust(builder: ClientBuilder, name: &str, path: OsString) -> Result<ClientBuilder, Error> {
    let pem = std::fs::read(path);
    let pem = pem.map_err(|why| invalid(name, &format!("names a file that cannot be read: {why}")))?;
    let unusable = |why| invalid(name, &format!("names a file that is not usable: {why}"));
    Ok(builder.root_certificates_of(&pem, unusable))
}

#[cfg(not(feature = "tls"))]
fn trust(_: ClientBuilder, name: &str, _: OsString) -> Result<ClientBuilder, Error> {
    Err(invalid(name, "needs the feature `tls` of dlm-client"))
}

fn not_empty(name: &str, value: OsString) -> Result<OsString, Error> {
    if value.is_empty() { Err(invalid(name, "is empty")) } else { Ok(value) }
}

fn text(name: &str, value: OsString) -> Result<String, Error> {
    not_empty(name, value)?.into_string().map_err(|_| invalid(name, "is not valid Unicode"))
}

fn invalid(name: &str, why: &str) -> Error {
    Error::invalid(&format!("the environment variable {name} {why}"))
}

#[cfg(test)]
#[cfg(feature = "tls")]
mod tests {
    use super::*;

    fn builder(variables: &[(&str, &str)]) -> ClientBuilder {
        let read = |name: &str| variables.iter().find(|(set, _)| *set == name).map(|(_, value)| value.into());
        ClientBuilder::from_variables(read)
    }

    #[test]
    fn environment_without_variables_gives_the_defaults() {
        let builder = builder(&[("DLM_OTHER", "x")]);
        assert_eq!(builder.addresses, ["http://127.0.0.1:7420"]);
        let settings = builder.settings.unwrap();
        assert!(matches!(settings.credentials.token, TokenSource::None));
    }

    #[test]
    fn variables_are_applied() {
        let builder = builder(&[("DLM_URL", "https://a, https://b"), ("DLM_TOKEN", "dlm_s3cret")]);
        assert_eq!(builder.addresses, ["https://a", "https://b"]);
        assert!(!format!("{builder:?}").contains("s3cret"));
        let TokenSource::Fixed(token) = builder.settings.unwrap().credentials.token else {
            panic!("a token")
        };
        assert_eq!(token.header(), "Bearer dlm_s3cret");
    }

    #[tokio::test]
    async fn error_names_the_variable_and_not_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let not_pem = folder.path().join("s3cret");
        std::fs::write(&not_pem, "s3cret").unwrap();
        let not_pem = not_pem.to_str().unwrap();
        let missing = "No such file or directory (os error 2)";
        let plaintext = "a bearer token is sent only over https or to this machine, because everyone on the \
                         network could read it: use https, or see `ClientBuilder::allow_plaintext_token`";
        let unusable = "is not usable: a bearer token must consist of 1 to 16384 letters, digits and -._~+/=";
        let cases: &[(&[(&str, &str)], String)] = &[
            (&[("DLM_URL", "")], "the environment variable DLM_URL is empty".into()),
            (
                &[("DLM_URL", "https://a,s3cret")],
                "the environment variable DLM_URL has an invalid URL: it must start with http://, https:// or \
                 unix:/"
                    .into(),
            ),
            (
                &[("DLM_URL", "http://s3cret:s3cret@a")],
                "the environment variable DLM_URL has an invalid URL: it must not contain credentials".into(),
            ),
            (&[("DLM_TOKEN", "")], "the environment variable DLM_TOKEN is empty".into()),
            (&[("DLM_TOKEN", "s3cret\n")], format!("the environment variable DLM_TOKEN {unusable}")),
            (&[("DLM_TOKEN_FILE", "")], "the environment variable DLM_TOKEN_FILE is empty".into()),
            (
                &[("DLM_TOKEN", "s3cret"), ("DLM_TOKEN_FILE", "s3cret")],
                "DLM_TOKEN and DLM_TOKEN_FILE must not both be set".into(),
            ),
            (
                &[("DLM_CA", "/nowhere/s3cret")],
                format!("the environment variable DLM_CA names a file that cannot be read: {missing}"),
            ),
            (
                &[("DLM_CA", not_pem)],
                "the environment variable DLM_CA names a file that is not usable: it contains no certificate"
                    .into(),
            ),
            (&[("DLM_URL", "http://s3cret.example"), ("DLM_TOKEN", "s3cret")], plaintext.into()),
        ];
        for (variables, expected) in cases {
            let error = builder(variables).connect().await.unwrap_err();
            assert!(error.is_invalid(), "{error:?}");
            assert_eq!(error.to_string(), *expected);
            assert!(!format!("{error:#} {error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn missing_token_file_is_named_by_its_variable() {
        let variables = [("DLM_URL", "http://127.0.0.1:9"), ("DLM_TOKEN_FILE", "/nowhere/s3cret")];
        let TokenSource::Provider(provider) = builder(&variables).settings.unwrap().credentials.token else {
            panic!("a file")
        };
        let error = provider.ask().await.unwrap_err().to_string();
        assert_eq!(error, "the file in DLM_TOKEN_FILE: No such file or directory (os error 2)");
    }
}
