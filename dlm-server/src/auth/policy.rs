//! All principals and their rules, and their replacement while the server runs.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::{Credentials, Principal, Rules};

/// Who may do what. It never changes; another one replaces it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    rules: HashMap<Arc<str>, Arc<Rules>>,
    credentials: Arc<Credentials>,
    open: bool,
}

impl Policy {
    /// The policy of a server without authentication: the anonymous principal may do
    /// everything.
    pub(crate) fn open() -> Self {
        let anonymous = Arc::clone(Principal::anonymous().name());
        let rules = HashMap::from([(anonymous, Arc::new(Rules::everything()))]);
        Self { rules, credentials: Arc::default(), open: true }
    }

    /// The policy of a server with authentication.
    pub(crate) fn new(rules: HashMap<Arc<str>, Arc<Rules>>) -> Self {
        Self { rules, credentials: Arc::default(), open: false }
    }

    /// The same rules, with what callers prove with that they are a principal.
    pub(super) fn with_credentials(self, credentials: Credentials) -> Self {
        Self { credentials: Arc::new(credentials), ..self }
    }

    /// Whether there is no authentication.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// What callers prove with that they are one of the principals.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The principal with a name, if it is in the policy.
    pub(super) fn named(&self, name: &str) -> Option<Principal> {
        self.rules.get_key_value(name).map(|(name, _)| Principal::named(Arc::clone(name)))
    }

    pub(crate) fn principals(&self) -> impl Iterator<Item = Principal> {
        self.rules.keys().map(|name| Principal::named(Arc::clone(name)))
    }

    /// The rules of a principal; `None` if it is not in the policy.
    pub(crate) fn rules(&self, principal: &Principal) -> Option<&Arc<Rules>> {
        self.rules_of(principal.name())
    }

    /// The rules of the principal with a name; `None` if it is not in the policy.
    pub(crate) fn rules_of(&self, name: &str) -> Option<&Arc<Rules>> {
        self.rules.get(name)
    }

    /// Whether the principal with a name is in the policy.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.rules.contains_key(name)
    }
}

/// The policy in force. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Policies(watch::Sender<Arc<Policy>>);

impl Policies {
    pub(crate) fn new(policy: Policy) -> Self {
        Self(watch::Sender::new(Arc::new(policy)))
    }

    /// The policy in force.
    pub(crate) fn current(&self) -> Arc<Policy> {
        Arc::clone(&self.0.borrow())
    }

    /// Puts another policy in force.
    pub(crate) fn replace(&self, policy: Policy) {
        self.0.send_replace(Arc::new(policy));
    }

    /// Notifies of each replacement.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Policy>> {
        self.0.subscribe()
    }
}
