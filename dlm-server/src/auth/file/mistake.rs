//! Why an auth file is refused.

use std::fmt;

/// A mistake in an auth file. Its text repeats no value of the file, which could be a
/// secret in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// The text of a file, for the numbers of its lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a>(pub(super) &'a str);

impl Source<'_> {
    pub(super) fn line(self, offset: usize) -> usize {
        let before = self.0.as_bytes().iter().take(offset);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    pub(super) fn mistake(self, offset: usize, reason: impl Into<String>) -> Mistake {
        Mistake { line: self.line(offset), reason: reason.into() }
    }
}
