//! Without TLS there are no certificates.

/// Nothing is wrong with a certificate.
pub(crate) fn describe(_: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    None
}
