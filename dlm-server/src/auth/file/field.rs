//! Reads the tables and values of a TOML file, and tells where a mistake is.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::instant::instant;
use super::mistake::{Mistake, Source};

/// Maximum length of an unknown key that is repeated in a message. A longer one could be
/// a token in the wrong place.
const MAX_KEY_SHOWN: usize = 32;

/// A table, all of whose keys are known.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    table: &'a DeTable<'a>,
    start: usize,
    source: Source<'a>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(
        table: &'a DeTable<'a>,
        start: usize,
        source: Source<'a>,
        known: &[&str],
    ) -> Result<Self, Mistake> {
        // The first one in the file, not in the alphabet.
        let unknown = table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        if let Some(key) = unknown.min_by_key(|key| key.span().start) {
            let known = known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
            let name = key.get_ref();
            let shown = name.len() <= MAX_KEY_SHOWN && name.chars().all(|c| c.is_ascii_graphic());
            let name = if shown { format!(" `{name}`") } else { String::new() };
            let reason = format!("unknown key{name}; known here: {known}");
            return Err(source.mistake(key.span().start, reason));
        }
        Ok(Self { table, start, source })
    }

    pub(super) fn optional(&self, name: &'static str) -> Option<Field<'a>> {
        let (key, value) = self.table.iter().find(|(key, _)| key.get_ref() == name)?;
        let start = key.span().start;
        Some(Field { name, value: value.get_ref(), start, source: self.source })
    }

    pub(super) fn required(&self, name: &'static str) -> Result<Field<'a>, Mistake> {
        self.optional(name).ok_or_else(|| self.mistake(format!("`{name}` is missing")))
    }

    pub(super) fn mistake(&self, reason: impl Into<String>) -> Mistake {
        self.source.mistake(self.start, reason)
    }

    /// The line at which the table begins.
    pub(super) fn line(&self) -> usize {
        self.source.line(self.start)
    }
}

/// A value with the name of its key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    name: &'static str,
    value: &'a DeValue<'a>,
    start: usize,
    source: Source<'a>,
}

impl<'a> Field<'a> {
    pub(super) fn mistake(&self, reason: &str) -> Mistake {
        self.source.mistake(self.start, format!("`{}` {reason}", self.name))
    }

    pub(super) fn line(&self) -> usize {
        self.source.line(self.start)
    }

    pub(super) fn text(&self) -> Result<&'a str, Mistake> {
        match self.value {
            DeValue::String(text) => Ok(text),
            _ => Err(self.mistake("must be a text in quotes")),
        }
    }

    pub(super) fn integer(&self, bounds: RangeInclusive<u64>) -> Result<u64, Mistake> {
        let integer = match self.value {
            DeValue::Integer(integer) => u64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        };
        let within = integer.filter(|integer| bounds.contains(integer));
        let (min, max) = bounds.into_inner();
        within.ok_or_else(|| self.mistake(&format!("must be a whole number from {min} to {max}")))
    }

    /// A duration of whole milliseconds, within bounds in milliseconds.
    pub(super) fn millis(&self, bounds: RangeInclusive<u64>) -> Result<u64, Mistake> {
        let duration = humantime::parse_duration(self.text()?).ok();
        let duration = duration.filter(|duration| duration.subsec_nanos() % 1_000_000 == 0);
        let millis = duration.and_then(|duration| u64::try_from(duration.as_millis()).ok());
        let within = millis.filter(|millis| bounds.contains(millis));
        let show = |millis| humantime::format_duration(Duration::from_millis(millis)).to_string();
        let (min, max) = (show(*bounds.start()), show(*bounds.end()));
        within.ok_or_else(|| self.mistake(&format!("must be a duration from {min} to {max}, such as `10m`")))
    }

    /// An instant with its offset from UTC.
    pub(super) fn instant(&self) -> Result<SystemTime, Mistake> {
        let instant = match self.value {
            DeValue::Datetime(datetime) => instant(datetime),
            _ => None,
        };
        let reason = "must be a date and time from 1970 on, with its offset from UTC and without quotes, such as \
                      2027-01-01T00:00:00Z";
        instant.ok_or_else(|| self.mistake(reason))
    }

    pub(super) fn table(&self, known: &[&str]) -> Result<Fields<'a>, Mistake> {
        match self.value {
            DeValue::Table(table) => Fields::new(table, self.start, self.source, known),
            _ => Err(self.mistake("must be a table")),
        }
    }

    /// The items of an array.
    pub(super) fn items(&self) -> Result<impl Iterator<Item = Self> + use<'a>, Mistake> {
        let DeValue::Array(array) = self.value else { return Err(self.mistake("must be an array")) };
        let Self { name, source, .. } = *self;
        let item = move |item: &'a Spanned<DeValue<'a>>| Self {
            name,
            value: item.get_ref(),
            start: item.span().start,
            source,
        };
        Ok(array.iter().map(item))
    }
}
