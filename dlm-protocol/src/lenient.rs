//! Reading what a newer server sends: its bounds may be larger, and it may have values
//! that this version does not know.
//!
//! A request is checked when it is parsed. A reply is not: what has happened cannot be
//! refused, and one unusual value must not hide the rest of a page or an event.
//!
//! ```
//! use dlm_protocol::{Mode, lenient};
//!
//! #[derive(serde::Deserialize)]
//! struct Grant {
//!     #[serde(deserialize_with = "lenient::value")]
//!     mode: Mode,
//! }
//!
//! let grant: Grant = serde_json::from_str(r#"{"mode": "not_yet_known"}"#)?;
//! assert_eq!(grant.mode, Mode::Other);
//! # Ok::<_, serde_json::Error>(())
//! ```

use serde::{Deserialize, Deserializer};

/// A value that can be read without its check.
pub trait Lenient: Sized {
    /// What the value looks like on the wire.
    type Wire: for<'de> Deserialize<'de>;

    /// Takes the value as it is.
    fn unchecked(wire: Self::Wire) -> Self;
}

/// Deserializes a value without its check.
///
/// # Errors
///
/// If it is not even of the right JSON type.
pub fn value<'de, D: Deserializer<'de>, T: Lenient>(deserializer: D) -> Result<T, D::Error> {
    T::Wire::deserialize(deserializer).map(T::unchecked)
}

/// Deserializes an optional value without its check. Combine it with
/// `#[serde(default)]`.
///
/// # Errors
///
/// If it is not even of the right JSON type.
pub fn optional<'de, D: Deserializer<'de>, T: Lenient>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<T::Wire>::deserialize(deserializer)?.map(T::unchecked))
}
