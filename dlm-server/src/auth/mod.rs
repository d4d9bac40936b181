//! Who may do what.
//!
//! A caller proves with a credential that it is a principal. The policy gives each
//! principal rules: a role on the resources below a prefix, with limits. Nothing is
//! allowed that no rule allows.
//!
//! - `principal`: the caller of an operation
//! - `prefix`, `rules`: what one principal may do
//! - `policy`: all principals; replaced as a whole while the server runs

mod policy;
mod prefix;
mod principal;
mod rules;

pub(crate) use policy::{Policies, Policy};
pub(crate) use prefix::Prefix;
pub use principal::Principal;
#[cfg(test)]
pub(crate) use rules::Rule;
pub(crate) use rules::{Limits, Role, Rules, Visibility};
