//! Why the certificate of a server was not accepted.

use rustls::{CertificateError, Error as TlsError};

/// Describes why the server's certificate was not accepted, if that is the cause of an error.
pub(crate) fn describe(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    certificate_error(error).map(describe_certificate_error)
}

fn certificate_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a CertificateError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(TlsError::InvalidCertificate(error)) = error.downcast_ref() {
            return Some(error);
        }
        // `source` of an I/O error skips the error that it contains.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn describe_certificate_error(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another name"
        }
        // The signature is bad if an authority of the same name is trusted.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the server's certificate is not signed by a trusted authority, \
             see `ClientBuilder::root_certificate`"
        }
        _ => "the server's certificate is not accepted",
    }
}
