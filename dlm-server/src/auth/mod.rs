//! Who may do what.
//!
//! A caller proves with a credential that it is a principal. The policy gives each
//! principal rules: a role on the resources below a prefix, with limits. Nothing is
//! allowed that no rule allows.
//!
//! - `principal`: the caller of an operation
//! - `prefix`, `rules`: what one principal may do
//! - `policy`: all principals; replaced as a whole while the server runs
//! - `credentials`: what callers prove with who they are; `token`: bearer tokens of our
//!   own; `jwt`: those of an issuer; `digest`: all that is stored of them
//! - `ticket`: what a ticket stands for
//! - `authentication`: who a caller is; `authenticator`: by the policy in force
//! - `file`: the auth file
//! - `reloader`: reads it again when it has changed; `changes`: tells what is different
//! - `command`: the commands of the binary

mod authentication;
mod authenticator;
mod changes;
mod command;
mod credentials;
mod digest;
mod file;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod jwt;
mod policy;
mod prefix;
mod principal;
mod reloader;
mod rules;
mod ticket;
mod token;

pub(crate) use authentication::{Authentication, Unauthenticated};
pub(crate) use authenticator::{Authenticator, Revoked};
pub use command::{TokenRequest, check_auth_file, new_token};
pub(crate) use credentials::Credentials;
use digest::Digest;
pub(crate) use file::LoadError;
pub(crate) use policy::{Policies, Policy};
pub(crate) use prefix::Prefix;
pub use principal::Principal;
pub(crate) use principal::check_principal_name;
pub(crate) use reloader::PolicyReloader;
pub(crate) use rules::{Limits, Role, Rule, Rules, Visibility};
pub(crate) use ticket::TicketContent;
