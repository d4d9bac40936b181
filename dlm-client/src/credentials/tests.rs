//! When a provider is asked, and which token is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use super::*;
use crate::clock::ManualClock;
use crate::request_error::Cause;

const SECOND: Duration = Duration::from_secs(1);
const LIFETIME: Duration = Duration::from_secs(100);

type Answer = Result<BearerToken, Cause>;

fn numbered(number: usize) -> BearerToken {
    BearerToken::new(format!("token-{number}")).unwrap()
}

/// A provider that counts how often it is asked, and answers by the number.
struct Fixture {
    authenticator: Authenticator,
    clock: Arc<ManualClock>,
    asked: Arc<AtomicUsize>,
}

impl Fixture {
    fn new(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let (clock, asked) = (ManualClock::new(), Arc::new(AtomicUsize::new(0)));
        let (count, answer) = (Arc::clone(&asked), Arc::new(answer));
        let provider = TokenProvider::new(move || {
            let (count, answer) = (Arc::clone(&count), Arc::clone(&answer));
            async move { answer(count.fetch_add(1, Ordering::SeqCst) + 1) }
        });
        let authenticator = Authenticator::new(TokenSource::Provider(provider), clock.clock());
        Self { authenticator, clock, asked }
    }

    async fn credential(&self) -> Result<Credential, RequestError> {
        self.authenticator.credential(10 * SECOND).await.map(Option::unwrap)
    }

    async fn sent(&self) -> String {
        self.credential().await.unwrap().header.to_str().unwrap().to_owned()
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits for an answer that nobody else waits for.
    async fn wait_until_sent(&self, expected: &str) {
        let waiting = async {
            while self.sent().await != expected {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(10 * SECOND, waiting).await.expect("the token arrives");
    }
}

#[tokio::test]
async fn many_callers_ask_once() {
    let fixture = Fixture::new(|number| {
        std::thread::sleep(Duration::from_millis(50));
        Ok(numbered(number))
    });
    let all = join_all((0..100).map(|_| fixture.credential())).await;
    assert!(all.iter().all(|credential| credential.as_ref().unwrap().header == "Bearer token-1"));
    let refused = all[0].as_ref().unwrap();
    let replacements = (0..100).map(|_| fixture.authenticator.replacement(refused, 10 * SECOND));
    assert!(
        join_all(replacements).await.iter().all(|other| other.as_ref().unwrap().header == "Bearer token-2")
    );
    assert_eq!(fixture.asked(), 2);
}

#[tokio::test]
async fn token_is_replaced_before_it_expires_without_a_wait() {
    let fixture = Fixture::new(|number| Ok(numbered(number).valid_for(LIFETIME)));
    assert_eq!(fixture.sent().await, "Bearer token-1");
    fixture.clock.advance(LIFETIME - 21 * SECOND);
    assert_eq!((fixture.sent().await.as_str(), fixture.asked()), ("Bearer token-1", 1));
    // A fifth of the lifetime is left.
    fixture.clock.advance(SECOND);
    assert_eq!(fixture.sent().await, "Bearer token-1", "it is still good");
    fixture.wait_until_sent("Bearer token-2").await;
    assert_eq!(fixture.asked(), 2);
}

#[tokio::test]
async fn expired_token_is_not_sent() {
    let fixture = Fixture::new(|number| match number {
        1 => Ok(numbered(number).valid_for(LIFETIME)),
        2 => Err("s3rver is down".into()),
        _ => Ok(numbered(number)),
    });
    assert_eq!(fixture.sent().await, "Bearer token-1");
    fixture.clock.advance(LIFETIME);
    let error = fixture.credential().await.unwrap_err();
    assert!(error.is_transient() && !error.may_have_been_delivered(), "{error:?}");
    assert_eq!(error.to_string(), "the token provider has no token: s3rver is down");
    // The provider is left alone for a moment.
    assert!(fixture.credential().await.is_err());
    assert_eq!(fixture.asked(), 2);
    fixture.clock.advance(SECOND);
    assert_eq!((fixture.sent().await.as_str(), fixture.asked()), ("Bearer token-3", 3));
}

#[tokio::test]
async fn failing_provider_is_asked_with_growing_delays() {
    let fixture = Fixture::new(|_| Err("it is down".into()));
    for _ in 0..1_000 {
        assert!(fixture.credential().await.is_err());
        fixture.clock.advance(Duration::from_millis(10));
    }
    // Ten seconds: 25, 50, 100, 200, 400, 800 ms, then at least one second each.
    assert!((8..=16).contains(&fixture.asked()), "{}", fixture.asked());
}

#[tokio::test]
async fn token_that_is_refused_again_is_not_replaced_at_once() {
    let fixture = Fixture::new(|number| Ok(numbered(number)));
    for _ in 0..1_000 {
        let refused = fixture.credential().await.unwrap();
        let _ = fixture.authenticator.replacement(&refused, 10 * SECOND).await;
        fixture.clock.advance(Duration::from_millis(10));
    }
    assert!((8..=18).contains(&fixture.asked()), "{}", fixture.asked());
}

#[tokio::test]
async fn unchanged_token_is_no_replacement() {
    let fixture = Fixture::new(|_| Ok(numbered(0)));
    let refused = fixture.credential().await.unwrap();
    assert!(fixture.authenticator.replacement(&refused, 10 * SECOND).await.is_none());
    assert_eq!(fixture.asked(), 2);
    // The server may accept it again.
    assert_eq!(fixture.sent().await, "Bearer token-0");
}

#[tokio::test]
async fn token_that_was_replaced_meanwhile_is_not_asked_for() {
    let fixture = Fixture::new(|number| Ok(numbered(number)));
    let first = fixture.credential().await.unwrap();
    fixture.authenticator.refused(&first);
    assert_eq!(fixture.sent().await, "Bearer token-2", "the next caller waits for another token");
    fixture.authenticator.refused(&first);
    let other = fixture.authenticator.replacement(&first, 10 * SECOND).await;
    assert_eq!((other.unwrap().header.to_str().unwrap(), fixture.asked()), ("Bearer token-2", 2));
}

#[tokio::test]
async fn provider_that_panics_has_no_token_and_is_asked_again() {
    let fixture = Fixture::new(|number| match number {
        1 => panic!("the provider of the test panics"),
        _ => Ok(numbered(number)),
    });
    let error = fixture.credential().await.unwrap_err().to_string();
    assert!(error.contains("panicked"), "{error}");
    fixture.clock.advance(SECOND);
    assert_eq!(fixture.sent().await, "Bearer token-2");
}

#[tokio::test]
async fn provider_that_blocks_delays_only_those_who_need_its_token() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let fixture = Fixture::new(move |number| {
        wait.lock().unwrap().recv_timeout(10 * SECOND).unwrap();
        Ok(numbered(number))
    });
    let impatient = fixture.authenticator.credential(Duration::from_millis(20)).await.unwrap_err();
    assert!(impatient.to_string().contains("has not answered yet"), "{impatient}");
    go.send(()).unwrap();
    assert_eq!((fixture.sent().await.as_str(), fixture.asked()), ("Bearer token-1", 1));
}

#[tokio::test]
async fn fixed_token_has_no_replacement() {
    let authenticator = Authenticator::new(TokenSource::Fixed(numbered(0)), Clock::System);
    let credential = authenticator.credential(SECOND).await.unwrap().unwrap();
    authenticator.refused(&credential);
    assert!(authenticator.replacement(&credential, SECOND).await.is_none());
    assert!(authenticator.credential(SECOND).await.unwrap().is_some());
    let none = Authenticator::new(TokenSource::None, Clock::System);
    assert!(none.credential(SECOND).await.unwrap().is_none());
}

#[tokio::test]
async fn debug_output_has_no_token() {
    let provided = Fixture::new(|_| Ok(BearerToken::new("s3cret").unwrap()));
    let credential = provided.credential().await.unwrap();
    let token = BearerToken::new("s3cret").unwrap();
    let fixed = Credentials { token: TokenSource::Fixed(token), ..Credentials::default() };
    let shown = format!("{credential:?} {:?} {fixed:?}", provided.authenticator);
    assert!(!shown.contains("s3cret"), "{shown}");
}
