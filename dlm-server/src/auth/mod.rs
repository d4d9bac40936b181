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
//! - `authenticate`: who a caller is
//! - `file`: the auth file
//! - `reload`: reads it again; `changes`: tells what has changed
//! - `command`: the commands of the binary

mod authenticate;
mod changes;
mod command;
mod credentials;
mod digest;
mod file;
mod jwt;
mod policy;
mod prefix;
mod principal;
mod reload;
mod rules;
mod token;

pub(crate) use authenticate::{Authentication, ClientCertificate, Unauthenticated};
pub use command::{TokenRequest, check_auth_file, new_token};
pub(crate) use credentials::Credentials;
use digest::Digest;
pub(crate) use policy::{Policies, Policy};
pub(crate) use prefix::Prefix;
pub use principal::Principal;
pub(crate) use reload::PolicyReloader;
pub use reload::Reload;
pub(crate) use rules::{Limits, Role, Rule, Rules, Visibility};
