//! What is read of a certificate.

use std::fmt;
use std::time::SystemTime;

use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// A certificate that a client presented. It was issued by an authority that the
/// server trusts, and the client has its key.
///
/// A connection, or a TLS session that is resumed, may outlast the certificate:
/// `not_after` must be checked with each use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientCertificate {
    /// The subject alternative names: DNS names and URIs. No DNS name contains a
    /// colon, and every URI does.
    pub(crate) names: Vec<String>,
    /// When the certificate expires.
    pub(crate) not_after: SystemTime,
}

/// A certificate that can't be parsed.
#[derive(Debug)]
pub(crate) struct Unparsed(x509_cert::der::Error);

impl fmt::Display for Unparsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it can't be parsed: {}", self.0)
    }
}

impl ClientCertificate {
    /// The names as the log shows them.
    pub(crate) fn joined_names(&self) -> String {
        self.names.join(" ")
    }

    /// Parses a certificate that has been verified.
    pub(super) fn parse(der: &[u8]) -> Result<Self, Unparsed> {
        let certificate = Certificate::from_der(der).map_err(Unparsed)?;
        let certificate = certificate.tbs_certificate();
        let names = match certificate.get_extension::<SubjectAltName>().map_err(Unparsed)? {
            Some((_, SubjectAltName(names))) => names.iter().filter_map(name).collect(),
            None => Vec::new(),
        };
        Ok(Self { names, not_after: certificate.validity().not_after.to_system_time() })
    }
}

/// A name that identifies a client. A certificate may have a URI in the field of a
/// DNS name, or the other way around: neither must pass for the other.
fn name(name: &GeneralName) -> Option<String> {
    let (text, is_valid) = match name {
        GeneralName::DnsName(name) => {
            let name = name.as_str();
            (name, name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte)))
        }
        GeneralName::UniformResourceIdentifier(uri) => (uri.as_str(), uri.as_str().contains(':')),
        _ => return None,
    };
    (is_valid && !text.is_empty()).then(|| text.to_owned())
}
