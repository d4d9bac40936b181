//! The token in use, and when the provider is asked for another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Credential;
use super::provider::TokenProvider;
use crate::clock::{BootInstant, Clock};
use crate::request_error::{Cause, RequestError};
use crate::retry::{Backoff, PROVEN_AFTER};
use crate::token::BearerToken;

/// How long a provider may take to answer.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(10);
/// The next token is asked for when a fifth of the lifetime is left, but not earlier
/// than this before the token expires.
const MAX_MARGIN: Duration = Duration::from_secs(60);
const MARGIN_DIVISOR: u32 = 5;

/// A provider's latest token. Clones share it.
///
/// One question at a time is put to the provider, however many callers need its answer.
/// It runs on a thread of its own, because a provider that blocks must not keep the
/// client thread from renewing.
#[derive(Debug, Clone)]
pub(super) struct TokenCache(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    provider: TokenProvider,
    clock: Clock,
    state: Mutex<CacheState>,
    /// Counts the answers of the provider.
    answers: watch::Sender<u64>,
    stopped: CancellationToken,
}

#[derive(Debug)]
struct CacheState {
    token: Option<CachedToken>,
    /// Whether the server has refused the token.
    refused: bool,
    /// Whether the provider was asked and has not answered.
    asking: bool,
    asked_at: BootInstant,
    /// The provider is not asked before this instant.
    ask_again_at: BootInstant,
    backoff: Backoff,
    /// Why the provider's last answer is not a token.
    failure: Option<String>,
}

#[derive(Debug)]
struct CachedToken {
    credential: Credential,
    refresh_at: Option<BootInstant>,
    expires_at: Option<BootInstant>,
}

impl TokenCache {
    pub(super) fn new(provider: TokenProvider, clock: Clock) -> Self {
        let now = clock.now();
        let state = CacheState {
            token: None,
            refused: false,
            asking: false,
            asked_at: now,
            ask_again_at: now,
            backoff: Backoff::new(),
            failure: None,
        };
        Self(Arc::new(Shared {
            provider,
            clock,
            state: Mutex::new(state),
            answers: watch::Sender::new(0),
            stopped: CancellationToken::new(),
        }))
    }

    /// The token to send. Waits for the provider only if there is none that the server
    /// may accept.
    pub(super) async fn current(&self, timeout: Duration) -> Result<Credential, RequestError> {
        let mut answers = self.0.answers.subscribe();
        {
            let mut state = self.0.lock();
            let now = self.0.clock.now();
            if state.is_due(now) {
                self.ask(&mut state, now);
            }
            match state.usable(now) {
                // The server may have changed its mind about a refused token. So it is
                // sent while the provider is not asked again.
                Some(credential) if !(state.refused && state.asking) => return Ok(credential),
                _ if state.asking => {}
                _ => return Err(state.unavailable()),
            }
            answers.mark_unchanged();
        }
        let answered = tokio::time::timeout(timeout, answers.changed()).await.is_ok();
        let state = self.0.lock();
        match state.usable(self.0.clock.now()) {
            Some(credential) => Ok(credential),
            None if answered => Err(state.unavailable()),
            None => Err(RequestError::TokenUnavailable("the token provider has not answered yet".into())),
        }
    }

    /// Another token than the one that the server has refused, if the provider has one.
    pub(super) async fn replacement(&self, refused: &Credential, timeout: Duration) -> Option<Credential> {
        let mut answers = self.0.answers.subscribe();
        {
            let mut state = self.0.lock();
            let now = self.0.clock.now();
            if let Some(other) = state.other_than(refused, now) {
                return Some(other);
            }
            state.refused = true;
            self.ask(&mut state, now);
            if !state.asking {
                return None;
            }
            answers.mark_unchanged();
        }
        let _ = tokio::time::timeout(timeout, answers.changed()).await;
        self.0.lock().other_than(refused, self.0.clock.now())
    }

    /// Records that the server has refused a token.
    pub(super) fn refused(&self, refused: &Credential) {
        let mut state = self.0.lock();
        let is_current = |token: &CachedToken| token.credential.generation == refused.generation;
        if state.token.as_ref().is_some_and(is_current) {
            state.refused = true;
        }
    }

    /// Ends the questions to the provider.
    pub(super) fn stop(&self) {
        self.0.stopped.cancel();
    }

    /// Asks the provider, unless it is being asked or was asked in vain just now.
    fn ask(&self, state: &mut CacheState, now: BootInstant) {
        if state.asking || now < state.ask_again_at {
            return;
        }
        state.asking = true;
        if now.duration_since(state.asked_at) >= PROVEN_AFTER {
            state.backoff = Backoff::new();
        }
        state.asked_at = now;
        if state.refused {
            state.ask_again_at = now + state.backoff.next_delay();
        }
        let question = Question(Some(Arc::clone(&self.0)));
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || question.put(&runtime));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, CacheState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, answer: Result<BearerToken, Cause>) {
        let now = self.clock.now();
        let mut state = self.lock();
        state.asking = false;
        match answer {
            Ok(token) => {
                debug!("token provided");
                state.accept(&token, now);
            }
            Err(error) => {
                warn!(%error, "token provider failed");
                state.ask_again_at = now + state.backoff.next_delay();
                state.failure = Some(error.to_string());
            }
        }
        // Before the state is unlocked: the next caller must not take this answer for
        // that to its own question.
        self.answers.send_modify(|answers| *answers += 1);
    }
}

impl CacheState {
    /// Whether another token is needed, or will be soon.
    fn is_due(&self, now: BootInstant) -> bool {
        match &self.token {
            None => true,
            Some(token) => self.refused || token.refresh_at.is_some_and(|at| now >= at),
        }
    }

    /// The token, unless it has expired.
    fn usable(&self, now: BootInstant) -> Option<Credential> {
        let token = self.token.as_ref()?;
        token.expires_at.is_none_or(|at| now < at).then(|| token.credential.clone())
    }

    fn other_than(&self, refused: &Credential, now: BootInstant) -> Option<Credential> {
        self.usable(now).filter(|credential| credential.generation != refused.generation)
    }

    fn accept(&mut self, token: &BearerToken, now: BootInstant) {
        let last = self.token.as_ref().map(|token| &token.credential);
        let generation = match last {
            Some(last) if last.header == *token.header() => last.generation,
            last => {
                self.refused = false;
                last.map_or(0, |last| last.generation + 1)
            }
        };
        let expires_at = token.lifetime().map(|lifetime| now + lifetime);
        let before_expiry = token.lifetime().map(|lifetime| {
            let margin = (lifetime / MARGIN_DIVISOR).min(MAX_MARGIN);
            now + (lifetime - margin)
        });
        let refresh_at = token.refresh_delay().map(|delay| now + delay).or(before_expiry);
        let credential = Credential { header: token.header().clone(), generation };
        self.token = Some(CachedToken { credential, refresh_at, expires_at });
        self.failure = None;
    }

    fn unavailable(&self) -> RequestError {
        let why = self.failure.as_deref().unwrap_or("the token has expired");
        RequestError::TokenUnavailable(why.into())
    }
}

/// A question to the provider. It is answered also if the provider panics.
struct Question(Option<Arc<Shared>>);

impl Question {
    fn put(mut self, runtime: &tokio::runtime::Handle) {
        let Some(shared) = self.0.clone() else { return };
        let answer = runtime.block_on(async {
            tokio::select! {
                // First, so that nothing else is polled while the runtime shuts down.
                biased;
                () = shared.stopped.cancelled() => Err("the client was dropped".into()),
                answer = tokio::time::timeout(PROVIDER_TIMEOUT, shared.provider.ask()) => {
                    answer.unwrap_or_else(|_| Err(format!("no token within {PROVIDER_TIMEOUT:?}").into()))
                }
            }
        });
        self.0 = None;
        if !shared.stopped.is_cancelled() {
            shared.answered(answer);
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.answered(Err("the token provider panicked".into()));
        }
    }
}
