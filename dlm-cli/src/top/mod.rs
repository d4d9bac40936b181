//! `dlm top`: the locks, live in the terminal.
//!
//! # Layout
//!
//! - `mod`: the loop of keys, events and lists
//! - `view`: what is shown
//! - `state`: the locks, what is selected, and what a key does
//! - `dialog`: the questions before a force-release
//! - `activity`: how often each lock was granted lately
//! - `keyboard`: the keys

mod activity;
mod dialog;
mod keyboard;
mod state;
mod view;

use std::io::{self, IsTerminal};
use std::time::Duration;

use dlm_client::{Client, EventItem, Events, LockStatus, StateFilter};
use ratatui::DefaultTerminal;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::keyboard::Input;
use self::state::{Action, State};
use crate::failure::Failure;
use crate::output::Clock;

/// How often the screen is drawn: its times go on.
const DRAW_EVERY: Duration = Duration::from_millis(500);
/// The locks are listed again after so many draws, at once if there were events.
const LIST_EVERY: u32 = 10;
/// How long a request may keep the keys waiting.
const REPLY_WITHIN: Duration = Duration::from_secs(3);
/// Of each list, at most so many locks are shown.
const MAX_LISTED: usize = 1_000;

/// Shows the locks until `q` is pressed.
pub(crate) async fn top(client: &Client, prefix: &str) -> Result<(), Failure> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(Failure::usage("`dlm top` needs a terminal").hint("`dlm ls` and `dlm watch` print text"));
    }
    let mut state = State::new(prefix);
    // Failures are reported before the alternate screen is entered.
    state.set_locks(list(client, prefix).await?);
    let keys = keyboard::start();
    let mut terminal = ratatui::try_init()?;
    let result = show(&mut terminal, client, &mut state, keys).await;
    ratatui::try_restore()?;
    result
}

async fn show(
    terminal: &mut DefaultTerminal,
    client: &Client,
    state: &mut State,
    mut keys: mpsc::Receiver<io::Result<Input>>,
) -> Result<(), Failure> {
    let mut events = client.events().prefix(state.prefix());
    let mut draws = interval(DRAW_EVERY);
    draws.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut draws_until_list = LIST_EVERY;
    loop {
        terminal.draw(|frame| view::draw(frame, state, Clock::now()))?;
        tokio::select! {
            key = keys.recv() => {
                let action = match key.transpose()? {
                    Some(Input::Key(key)) => state.press(key),
                    Some(Input::Resized) => None,
                    None => return Ok(()),
                };
                match action {
                    Some(Action::Quit) => return Ok(()),
                    Some(Action::ForceRelease { name, token, reason }) => {
                        let request = client.force_release(&name, token, &reason);
                        state.tell(match timeout(REPLY_WITHIN, request).await {
                            Ok(Ok(_)) => format!("`{name}` was force-released"),
                            Ok(Err(error)) => Failure::from(error).message().to_owned(),
                            Err(_) => "the server does not reply: it may have been force-released".into(),
                        });
                        draws_until_list = 0;
                    }
                    None => {}
                }
            }
            result = follow(&mut events, state) => result?,
            _ = draws.tick() => draws_until_list = draws_until_list.saturating_sub(1),
        }
        state.set_time(Clock::now());
        if draws_until_list == 0 || (draws_until_list < LIST_EVERY && state.take_changed()) {
            draws_until_list = LIST_EVERY;
            if timeout(REPLY_WITHIN, refresh(client, state)).await.is_err() {
                state.tell("the server does not reply".into());
            }
        }
    }
}

/// Counts the next event.
async fn follow(events: &mut Events, state: &mut State) -> Result<(), Failure> {
    match events.next().await {
        Some(Ok(EventItem::Event(event))) => state.count(&event),
        Some(Ok(_)) => {}
        Some(Err(error)) => return Err(error.into()),
        None => return Err(Failure::other("the event stream has ended")),
    }
    Ok(())
}

/// Lists the locks again. If the server is unreachable, shows that and retries later.
async fn refresh(client: &Client, state: &mut State) {
    match list(client, state.prefix()).await {
        Ok(locks) => state.set_locks(locks),
        Err(failure) => return state.tell(failure.message().to_owned()),
    }
    if let Some(name) = state.selected().map(|status| status.resource.as_str().to_owned())
        && let Ok(status) = client.status(&name).await
    {
        state.set_detail(status);
    }
}

async fn list(client: &Client, prefix: &str) -> Result<Vec<LockStatus>, Failure> {
    let mut listed: Vec<LockStatus> = Vec::new();
    // Those with waiters first: they matter even if there are too many.
    for filter in [StateFilter::Waiting, StateFilter::Held] {
        let mut locks = client.locks().prefix(prefix).state(filter);
        for _ in 0..MAX_LISTED {
            let Some(status) = locks.next().await else { break };
            listed.push(status?);
        }
    }
    Ok(listed)
}
