//! TLS: its files, which are read again while the server runs, and what is known of
//! a client by its certificate.
//!
//! - `reloader`: reads the files when they have changed, and on demand
//! - `config`: makes the configuration of rustls of them, and refuses what can't work
//! - `files`: which files there are, and what they contain
//! - `certificate`: what is read of a certificate

mod certificate;
mod config;
mod files;
mod reloader;

pub(crate) use certificate::ClientCertificate;
pub use config::TlsError;
pub(crate) use files::TlsFiles;
pub(crate) use reloader::{Tls, TlsReloader, client_certificate};
