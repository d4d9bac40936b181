//! A set of resource names: one name and all below it.

use std::fmt;

/// Whole segments at the beginning of resource names. `orders` and `orders/` both
/// cover `orders` and `orders/42`, but not `orders2`. The empty prefix covers every
/// name. Names are compared byte by byte: another case or another Unicode form is
/// another name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Prefix {
    /// As it was written.
    text: Box<str>,
}

impl Prefix {
    /// The prefix with this text.
    pub(crate) fn new(text: impl Into<Box<str>>) -> Self {
        Self { text: text.into() }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the prefix covers every name.
    pub(crate) fn is_everything(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether the prefix covers a name.
    pub(crate) fn covers(&self, name: &str) -> bool {
        let rest = name.strip_prefix(self.stem());
        self.is_everything() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether this prefix covers every name that the other one covers.
    pub(crate) fn covers_all_of(&self, other: &Self) -> bool {
        // What covers the stem also covers what is below it, also where the stem is empty.
        self.is_everything() || (!other.is_everything() && self.covers(other.stem()))
    }

    /// The prefix without the slash at its end: the only name that is covered and
    /// does not go on with a slash.
    pub(crate) fn stem(&self) -> &str {
        self.text.strip_suffix('/').unwrap_or(&self.text)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_covers_whole_segments() {
        for prefix in ["a", "a/"] {
            let prefix = Prefix::new(prefix);
            for name in ["a", "a/", "a/b", "a//", "a/b/c"] {
                assert!(prefix.covers(name), "{prefix} {name}");
            }
            for name in ["ab", "b", "A", "A/b", "a.b", "\u{e4}", "a\u{300}", "\u{430}/b", "/a"] {
                assert!(!prefix.covers(name), "{prefix} {name}");
            }
        }
        assert!(Prefix::new("").covers("anything"));
        assert!(Prefix::new("a/b").covers("a/b/c") && !Prefix::new("a/b").covers("a"));
    }

    #[test]
    fn a_slash_alone_covers_only_names_that_begin_with_one() {
        let slash = Prefix::new("/");
        assert!(slash.covers("/") && slash.covers("/a") && !slash.covers("a"));
        assert!(!slash.covers_all_of(&Prefix::new("")) && !slash.covers_all_of(&Prefix::new("a")));
        // `//` does not cover `/a`.
        assert!(!Prefix::new("//").covers_all_of(&slash) && slash.covers_all_of(&Prefix::new("//")));
        assert!(slash.covers_all_of(&Prefix::new("/")) && slash.covers_all_of(&Prefix::new("/a")));
    }

    #[test]
    fn a_prefix_covers_all_of_those_below_it() {
        let covers = |outer, inner| Prefix::new(outer).covers_all_of(&Prefix::new(inner));
        assert!(covers("", "") && covers("", "a") && covers("a", "a/") && covers("a/", "a"));
        assert!(covers("a", "a/b") && covers("a", "a//"));
        assert!(!covers("a", "") && !covers("a/b", "a") && !covers("a", "ab") && !covers("a/", "ab/"));
        // `a//` has the stem `a/`, so it does not cover the name `a` or `a/b`.
        assert!(!covers("a//", "a"));
    }
}
