//! The claims of a token.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::JwtError;

/// By how much the clocks of the issuer and of this server may differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// Checks the claims of a token whose signature is valid. Returns the name of its holder
/// and when it expires. A claim of the wrong type is never treated as absent.
pub(super) fn check(
    payload: &[u8],
    issuer: &str,
    audience: &str,
    claim: &str,
    now: SystemTime,
) -> Result<(String, SystemTime), JwtError> {
    let claims: Map<String, Value> = serde_json::from_slice(payload).map_err(|_| JwtError::Claims)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).ok_or(JwtError::Claims);
    if text("iss")? != issuer {
        return Err(JwtError::Issuer);
    }
    if !is_for(claims.get("aud").ok_or(JwtError::Claims)?, audience)? {
        return Err(JwtError::Audience);
    }
    let expires_at = later(instant(claims.get("exp").ok_or(JwtError::Claims)?)?);
    if now >= expires_at {
        return Err(JwtError::Expired(text(claim).ok().map(Into::into)));
    }
    if let Some(not_before) = claims.get("nbf")
        && instant(not_before)? > later(now)
    {
        return Err(JwtError::NotYetValid);
    }
    Ok((text(claim)?.to_owned(), expires_at))
}

/// Whether an audience, or one of several, is the expected one.
fn is_for(claim: &Value, audience: &str) -> Result<bool, JwtError> {
    match claim {
        Value::String(only) => Ok(only == audience),
        Value::Array(several) if several.iter().all(Value::is_string) => {
            Ok(several.iter().any(|one| one.as_str() == Some(audience)))
        }
        _ => Err(JwtError::Claims),
    }
}

/// Seconds since 1970, which may have a fraction.
fn instant(claim: &Value) -> Result<SystemTime, JwtError> {
    let seconds = claim.as_f64().filter(|seconds| *seconds >= 0.0).ok_or(JwtError::Claims)?;
    let since_epoch = Duration::try_from_secs_f64(seconds).map_err(|_| JwtError::Claims)?;
    UNIX_EPOCH.checked_add(since_epoch).ok_or(JwtError::Claims)
}

fn later(instant: SystemTime) -> SystemTime {
    instant.checked_add(LEEWAY).unwrap_or(instant)
}
