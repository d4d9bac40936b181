//! The locks, what is selected, and what a key does.

use std::cmp::Reverse;
use std::collections::HashSet;

use dlm_client::{Event, EventKind, FencingToken, LockStatus};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::activity::Activity;
use super::dialog::{Answer, Dialog};
use crate::failure::name_of;
use crate::output::Clock;

/// The order of the locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The longest queue first.
    Waiting,
    /// The most grants in the last minute first.
    Grants,
    Name,
}

impl Order {
    fn next(self) -> Self {
        match self {
            Self::Waiting => Self::Grants,
            Self::Grants => Self::Name,
            Self::Name => Self::Waiting,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Grants => "grants",
            Self::Name => "name",
        }
    }
}

/// What to do for a key, besides showing something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Quit,
    ForceRelease { name: String, token: FencingToken, reason: String },
}

/// Everything that is shown.
#[derive(Debug)]
pub(super) struct State {
    prefix: String,
    locks: Vec<LockStatus>,
    /// The selected lock, with its waiters.
    detail: Option<LockStatus>,
    /// The name of the selected lock: it stays selected wherever it moves.
    selected: Option<String>,
    order: Order,
    activity: Activity,
    dialog: Option<Dialog>,
    message: Option<String>,
    /// Events have come since the locks were listed.
    changed: bool,
}

impl State {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            locks: Vec::new(),
            detail: None,
            selected: None,
            order: Order::Waiting,
            activity: Activity::default(),
            dialog: None,
            message: None,
            changed: true,
        }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Replaces the locks. Of those with one name the first counts.
    pub(super) fn set_locks(&mut self, mut locks: Vec<LockStatus>) {
        let mut seen = HashSet::new();
        locks.retain(|status| seen.insert(status.resource.clone()));
        self.locks = locks;
        self.sort();
    }

    pub(super) fn set_detail(&mut self, status: LockStatus) {
        self.detail = Some(status);
    }

    pub(super) fn set_time(&mut self, clock: Clock) {
        self.activity.forget_before(clock.instant());
    }

    pub(super) fn count(&mut self, event: &Event) {
        if event.kind == EventKind::Granted {
            self.activity.granted(event.resource.as_str(), event.at);
        }
        self.changed = true;
    }

    /// Whether there were events since this was asked last.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(super) fn tell(&mut self, message: String) {
        self.message = Some(message);
    }

    pub(super) fn locks(&self) -> &[LockStatus] {
        &self.locks
    }

    pub(super) fn order(&self) -> Order {
        self.order
    }

    pub(super) fn activity(&self) -> &Activity {
        &self.activity
    }

    pub(super) fn dialog(&self) -> Option<&Dialog> {
        self.dialog.as_ref()
    }

    pub(super) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The place of the selected lock in the list: of the first one, if it is gone.
    pub(super) fn selected_index(&self) -> Option<usize> {
        let index =
            self.locks.iter().position(|status| Some(status.resource.as_str()) == self.selected.as_deref());
        index.or((!self.locks.is_empty()).then_some(0))
    }

    /// The selected lock, with its waiters if they are known.
    pub(super) fn selected(&self) -> Option<&LockStatus> {
        let listed = &self.locks[self.selected_index()?];
        let detail = self.detail.as_ref();
        detail.filter(|detail| detail.resource == listed.resource).or(Some(listed))
    }

    /// Handles a key.
    pub(super) fn press(&mut self, key: KeyEvent) -> Option<Action> {
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Some(Action::Quit);
        }
        if let Some(dialog) = &mut self.dialog {
            let answer = dialog.press(key.code);
            return self.answered(answer);
        }
        self.message = None;
        match key.code {
            KeyCode::Char('q') => return Some(Action::Quit),
            KeyCode::Down | KeyCode::Char('j') => self.select(|index| index + 1),
            KeyCode::Up | KeyCode::Char('k') => self.select(|index| index.saturating_sub(1)),
            KeyCode::Home | KeyCode::Char('g') => self.select(|_| 0),
            KeyCode::End | KeyCode::Char('G') => self.select(|_| usize::MAX),
            KeyCode::Char('s') => {
                self.order = self.order.next();
                self.sort();
            }
            KeyCode::Char('f') => self.ask(),
            _ => {}
        }
        None
    }

    fn answered(&mut self, answer: Answer) -> Option<Action> {
        if answer == Answer::Pending {
            return None;
        }
        let Dialog { name, token, reason, .. } = self.dialog.take()?;
        if answer == Answer::Cancelled {
            self.tell("nothing was changed".into());
            return None;
        }
        Some(Action::ForceRelease { name, token, reason })
    }

    /// Asks for the force-release of the first holder.
    fn ask(&mut self) {
        let selected = self.selected().and_then(|status| Some((status, status.holders.first()?)));
        let dialog = selected.map(|(status, holder)| {
            Dialog::new(status.resource.as_str(), name_of(holder.owner.as_str()), holder.fencing_token)
        });
        if dialog.is_none() {
            self.tell("there is no lease to force-release".into());
        }
        self.dialog = dialog;
    }

    fn select(&mut self, change: impl Fn(usize) -> usize) {
        let Some(index) = self.selected_index() else { return };
        let index = change(index).min(self.locks.len() - 1);
        self.selected = Some(self.locks[index].resource.as_str().to_owned());
        // Its waiters are looked up.
        self.changed = true;
    }

    fn sort(&mut self) {
        let (order, activity) = (self.order, &self.activity);
        self.locks.sort_by_cached_key(|status| {
            let name = status.resource.as_str().to_owned();
            let weight = match order {
                Order::Waiting => status.queue_len,
                Order::Grants => activity.per_minute(&name) as u64,
                Order::Name => 0,
            };
            (Reverse(weight), name)
        });
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in crate::top) fn lock(name: &str, waiting: u64) -> LockStatus {
        let waiters: Vec<_> = (1..=waiting)
            .map(|position| {
                json!({"waiter_id": "w", "position": position, "mode": "shared", "owner": format!("w{position}"),
                    "away": false, "enqueued_at": "2026-01-01T00:00:00.000Z", "deadline": "2026-01-01T00:01:00.000Z"})
            })
            .collect();
        serde_json::from_value(json!({
            "resource": name, "state": "held", "mode": "exclusive", "current_token": 7, "queue_len": waiting,
            "holders": [{"mode": "exclusive", "owner": "me", "fencing_token": 7, "ttl_ms": 30000,
                "acquired_at": "2026-01-01T00:00:00.000Z", "expires_at": "2026-01-01T00:00:30.000Z", "metadata": {}}],
            "waiters": waiters, "holder_count": 1, "version": 1,
        }))
        .unwrap()
    }

    fn press(state: &mut State, keys: &str) -> Option<Action> {
        let code = |key| if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) };
        keys.chars().filter_map(|key| state.press(KeyEvent::from(code(key)))).last()
    }

    fn names(state: &State) -> Vec<&str> {
        state.locks().iter().map(|status| status.resource.as_str()).collect()
    }

    fn granted(name: &str) -> Event {
        serde_json::from_value(json!({
            "type": "event", "cursor": "c", "kind": "granted", "resource": name, "mode": "exclusive",
            "fencing_token": 7, "current_token": 7, "version": 1, "owner": "", "waiter_id": null, "ttl_ms": null,
            "expires_at": null, "queue_len": 0, "at": "2026-01-01T00:00:00.000Z", "reason": null,
        }))
        .unwrap()
    }

    #[test]
    fn locks_are_ordered_by_waiters_grants_or_name() {
        let mut state = State::new("");
        state.set_locks(vec![lock("c", 1), lock("a", 0), lock("b", 5), lock("b", 0)]);
        assert_eq!(names(&state), ["b", "c", "a"]);
        ["a", "a", "c"].iter().for_each(|name| state.count(&granted(name)));
        press(&mut state, "s");
        assert_eq!(names(&state), ["a", "c", "b"]);
        press(&mut state, "s");
        assert_eq!(names(&state), ["a", "b", "c"]);
    }

    #[test]
    fn lock_stays_selected_when_the_order_changes() {
        let mut state = State::new("");
        assert_eq!(state.selected_index(), None);
        press(&mut state, "jkf");
        assert!(state.dialog().is_none());
        state.set_locks(vec![lock("a", 0), lock("b", 5), lock("c", 1)]);
        press(&mut state, "j");
        assert_eq!(state.selected().unwrap().resource.as_str(), "c");
        state.set_locks(vec![lock("a", 0), lock("b", 5), lock("c", 9)]);
        assert_eq!((state.selected().unwrap().resource.as_str(), state.selected_index()), ("c", Some(0)));
        press(&mut state, "jjjj");
        assert_eq!(state.selected().unwrap().resource.as_str(), "a");
        state.set_locks(vec![lock("b", 5)]);
        assert_eq!(state.selected().unwrap().resource.as_str(), "b");
    }

    #[test]
    fn force_release_asks_twice_and_names_the_lease_that_was_seen() {
        let mut state = State::new("");
        state.set_locks(vec![lock("a", 0)]);
        assert_eq!(press(&mut state, "fq\n"), None, "a `q` of the reason does not quit");
        assert_eq!(press(&mut state, "n"), None);
        assert!(state.dialog().is_none() && state.message().is_some());
        let expected = Action::ForceRelease {
            name: "a".into(),
            token: FencingToken::new(7),
            reason: "host gone".into(),
        };
        assert_eq!(press(&mut state, "fhost gone\ny"), Some(expected));
        assert_eq!(press(&mut state, "q"), Some(Action::Quit));
    }

    #[test]
    fn ctrl_c_quits_also_in_a_dialog() {
        let mut state = State::new("");
        state.set_locks(vec![lock("a", 0)]);
        press(&mut state, "f");
        let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(state.press(ctrl_c), Some(Action::Quit));
    }
}
