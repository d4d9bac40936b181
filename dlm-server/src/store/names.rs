//! Sets of resource names, as ranges in byte order: what an index can look up.

use dlm_protocol::limits::MAX_NAME_BYTES;

/// The names that a reader may return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Names {
    All,
    /// Those in these ranges, which are in order and do not overlap.
    In(Vec<NameRange>),
}

/// The names from `from` on that come before `end`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NameRange {
    pub(crate) from: String,
    pub(crate) end: String,
}

impl Names {
    /// The names that are equal to one of these texts, or go on with a slash behind
    /// it. The empty text stands for what begins with a slash.
    pub(crate) fn below<'a>(stems: impl IntoIterator<Item = &'a str>) -> Self {
        let ranges = |stem: &str| {
            // No name contains a control character.
            let itself = NameRange { from: stem.to_owned(), end: format!("{stem}\u{1}") };
            [itself, NameRange { from: format!("{stem}/"), end: format!("{stem}0") }]
        };
        let mut ranges: Vec<_> = stems.into_iter().flat_map(ranges).collect();
        ranges.sort();
        ranges.dedup();
        let mut joined: Vec<NameRange> = Vec::new();
        for range in ranges {
            match joined.last_mut().filter(|last| range.from <= last.end) {
                Some(last) if range.end > last.end => last.end = range.end,
                Some(_) => {}
                None => joined.push(range),
            }
        }
        Self::In(joined)
    }

    /// Those of them with this prefix.
    pub(crate) fn with_prefix_only(&self, prefix: &str) -> Self {
        Self::In(self.with_prefix(prefix, ""))
    }

    /// Whether this name is one of them.
    pub(crate) fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::In(ranges) => ranges.iter().any(|range| *range.from <= *name && *name < *range.end),
        }
    }

    /// The ranges of the names with this prefix that come behind `after`.
    pub(super) fn with_prefix(&self, prefix: &str, after: &str) -> Vec<NameRange> {
        let from = prefix.max(after).to_owned();
        let asked = NameRange { from, end: prefix_end(prefix).unwrap_or_else(end_of_names) };
        let common = |range: &NameRange| NameRange {
            from: range.from.clone().max(asked.from.clone()),
            end: range.end.clone().min(asked.end.clone()),
        };
        match self {
            Self::All => vec![asked],
            Self::In(ranges) => ranges.iter().map(common).filter(|range| range.from < range.end).collect(),
        }
    }
}

/// The first text, in byte order, behind all texts with this prefix; `None` if
/// there is none.
fn prefix_end(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// A text behind all names, in byte order.
fn end_of_names() -> String {
    "\u{10ffff}".repeat(MAX_NAME_BYTES / '\u{10ffff}'.len_utf8() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_behind_its_names_and_before_the_next_prefix() {
        for (prefix, end) in
            [("a", "b"), ("a/", "a0"), ("z\u{10ffff}", "{"), ("\u{d7ff}", "\u{e000}"), ("é", "ê")]
        {
            assert_eq!(prefix_end(prefix).as_deref(), Some(end));
            assert!(format!("{prefix}\u{10ffff}\u{10ffff}").as_str() < end);
        }
        assert_eq!(prefix_end(""), None);
        assert_eq!(prefix_end("\u{10ffff}"), None);
    }

    #[test]
    fn no_name_is_behind_the_end_of_names() {
        let last_name = "\u{10ffff}".repeat(MAX_NAME_BYTES / 4);
        assert!(last_name < end_of_names());
    }

    #[test]
    fn ranges_have_the_names_below_a_stem_and_no_others() {
        let names = Names::below(["a", "b/c", "a/x"]);
        let has = |name: &str| {
            let in_range = |range: &NameRange| *range.from <= *name && *name < *range.end;
            let listed = names.with_prefix("", "").iter().any(in_range);
            assert_eq!(names.contains(name), listed);
            listed
        };
        for name in ["a", "a/", "a/b", "a/x/y", "a/\u{10ffff}", "b/c", "b/c/d"] {
            assert!(has(name), "{name}");
        }
        for name in ["", "A", "a!", "a.", "a0", "ab", "b", "b/", "b/cd", "é"] {
            assert!(!has(name), "{name}");
        }
        // The range of `a/x` is a part of that of `a/`.
        assert_eq!(names.with_prefix("", "").len(), 4);
        let slash = Names::below([""]).with_prefix("", "");
        assert!(slash.iter().any(|range| *range.from <= *"/a" && *"/a" < *range.end));
        assert!(!slash.iter().any(|range| *range.from <= *"a" && *"a" < *range.end));
    }

    #[test]
    fn ranges_are_cut_to_what_is_asked_for() {
        let names = Names::below(["a", "b"]);
        let range = |from: &str, end: &str| NameRange { from: from.into(), end: end.into() };
        assert_eq!(names.with_prefix("a/b", ""), [range("a/b", "a/c")]);
        assert_eq!(
            names.with_prefix("", "a/q"),
            [range("a/q", "a0"), range("b", "b\u{1}"), range("b/", "b0")]
        );
        assert_eq!(names.with_prefix("c", ""), []);
        assert_eq!(Names::All.with_prefix("a", "ab"), [range("ab", "b")]);
        assert_eq!(names.with_prefix_only("a/b"), Names::In(vec![range("a/b", "a/c")]));
    }
}
