//! The client without TLS. `https` addresses are refused before.

use std::convert::Infallible;
use std::io;

use reqwest::ClientBuilder;
use tokio::net::TcpStream;

use super::address::ServerAddress;
use crate::request_error::Cause;

/// Nothing can be set.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsOptions(());

/// No connection is secured.
#[derive(Debug, Clone)]
pub(crate) struct TlsConfig;

impl TlsOptions {
    pub(super) fn config(&self, _: &ServerAddress) -> Result<TlsConfig, Infallible> {
        Ok(TlsConfig)
    }
}

impl TlsConfig {
    pub(super) async fn connect(&self, _: String, _: TcpStream) -> Result<TcpStream, Cause> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }

    pub(super) fn apply_to(&self, http: ClientBuilder) -> ClientBuilder {
        http
    }
}
