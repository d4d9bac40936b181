//! The questions before a force-release: why, and whether to.

use dlm_client::FencingToken;
use ratatui::crossterm::event::KeyCode;

/// A force-release that is being asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dialog {
    pub(super) name: String,
    pub(super) owner: String,
    /// The lease that was seen: its successor is left alone.
    pub(super) token: FencingToken,
    pub(super) reason: String,
    /// The reason is complete, and the last question is asked.
    pub(super) confirming: bool,
}

/// What a key did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Pending,
    Cancelled,
    Confirmed,
}

impl Dialog {
    pub(super) fn new(name: &str, owner: &str, token: FencingToken) -> Self {
        Self { name: name.into(), owner: owner.into(), token, reason: String::new(), confirming: false }
    }

    pub(super) fn press(&mut self, key: KeyCode) -> Answer {
        match (self.confirming, key) {
            (_, KeyCode::Esc) => return Answer::Cancelled,
            (true, KeyCode::Char('y')) => return Answer::Confirmed,
            (true, _) => return Answer::Cancelled,
            (false, KeyCode::Enter) => self.confirming = !self.reason.trim().is_empty(),
            (false, KeyCode::Backspace) => drop(self.reason.pop()),
            (false, KeyCode::Char(char)) => self.reason.push(char),
            _ => {}
        }
        Answer::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog() -> Dialog {
        Dialog::new("a", "me", FencingToken::new(7))
    }

    #[test]
    fn reason_is_required_and_the_last_question_is_answered_by_y_only() {
        let mut asked = dialog();
        assert_eq!(asked.press(KeyCode::Enter), Answer::Pending);
        assert!(!asked.confirming, "a reason is missing");
        for key in "yx".chars() {
            assert_eq!(asked.press(KeyCode::Char(key)), Answer::Pending);
        }
        asked.press(KeyCode::Backspace);
        asked.press(KeyCode::Enter);
        assert!(asked.confirming && asked.reason == "y");
        assert_eq!(asked.clone().press(KeyCode::Enter), Answer::Cancelled);
        assert_eq!(asked.press(KeyCode::Char('y')), Answer::Confirmed);
    }

    #[test]
    fn escape_cancels_at_any_time() {
        let mut asked = dialog();
        assert_eq!(asked.press(KeyCode::Esc), Answer::Cancelled);
        asked.press(KeyCode::Char('r'));
        asked.press(KeyCode::Enter);
        assert_eq!(asked.press(KeyCode::Esc), Answer::Cancelled);
    }
}
