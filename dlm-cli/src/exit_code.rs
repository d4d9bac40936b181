//! The exit codes of `dlm`. They are those of `sysexits.h`, which commands rarely use
//! themselves, and one beyond them for a lost lock.

use std::ffi::OsString;
use std::str::FromStr;

/// Anything but success that has no code of its own: `dlm check` of a token that is not
/// live, a force-release of another lease.
pub(crate) const NEGATIVE: u8 = 1;
/// The operating system refused something, or an error has no code of its own.
pub(crate) const INTERNAL: u8 = 70;
/// `dlm run`: the command was found and can't be executed.
#[cfg(target_os = "linux")]
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// `dlm run`: there is no such command.
#[cfg(target_os = "linux")]
pub(crate) const NOT_FOUND: u8 = 127;
/// `dlm run`: this plus the number of the signal that ended the command.
#[cfg(target_os = "linux")]
pub(crate) const SIGNAL_BASE: u8 = 128;

/// What the help and the man page say about exit codes.
pub(crate) const HELP: &str = "\
Exit codes:
  0    success
  1    `check`: the token is not live; `force-release`, `request-release`: no live lease has that
       token
  64   usage: the command line, or the configuration, is wrong
  69   unreachable: no server answered, or only that it can't serve now
  70   the operating system refused something, or another error
  75   not acquired: the lock is held, or the wait timed out
  77   denied: the server refused the credential, or the principal lacks a right
  79   lost: the lock was lost before the command of `dlm run` ended

`dlm run` exits with the code of its command, with 128+n if signal n ended it, with 126 if it
can't be executed and with 127 if there is no such command. `--exit-code KIND=CODE` changes the
codes 64, 69, 75, 77 and 79 of `dlm run`.";

/// An outcome of `dlm run` that is not its command's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    NotAcquired,
    Lost,
    Unreachable,
    Denied,
    Usage,
}

const KINDS: [(&str, Kind, u8); 5] = [
    ("not-acquired", Kind::NotAcquired, 75),
    ("lost", Kind::Lost, 79),
    ("unreachable", Kind::Unreachable, 69),
    ("denied", Kind::Denied, 77),
    ("usage", Kind::Usage, 64),
];

impl Kind {
    /// As in `--exit-code`, and in JSON.
    pub(crate) fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind, _)| *kind == self).map_or("other", |(name, ..)| *name)
    }

    /// The code that this has unless it was set.
    pub(crate) fn default_code(self) -> u8 {
        KINDS.iter().find(|(_, kind, _)| *kind == self).map_or(INTERNAL, |(_, _, code)| *code)
    }
}

/// `KIND=CODE` of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    kind: Kind,
    code: u8,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = KINDS.map(|(name, ..)| name).join(", ");
        let (name, code) =
            text.split_once('=').ok_or_else(|| format!("expected KIND=CODE, KIND one of {names}"))?;
        let known = KINDS.iter().find(|(known, ..)| *known == name);
        let (_, kind, _) = known.ok_or_else(|| format!("`{name}` is not one of {names}"))?;
        let code = code.parse().map_err(|_| format!("`{code}` is not a code from 0 to 255"))?;
        Ok(Self { kind: *kind, code })
    }
}

/// The codes that were set.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExitCodes(Vec<Setting>);

impl ExitCodes {
    pub(crate) fn new(settings: &[Setting]) -> Self {
        Self(settings.to_vec())
    }

    /// The code of an outcome: the one that was set last.
    pub(crate) fn code(&self, kind: Kind) -> u8 {
        let set = self.0.iter().rev().find(|setting| setting.kind == kind);
        set.map_or_else(|| kind.default_code(), |setting| setting.code)
    }

    /// The code for a command line that can't be parsed, which may set it all the same.
    pub(crate) fn usage_of(arguments: &[OsString]) -> u8 {
        let mut own =
            arguments.iter().take_while(|argument| *argument != "--").filter_map(|word| word.to_str());
        let mut settings = Vec::new();
        while let Some(word) = own.next() {
            let value = if word == "--exit-code" { own.next() } else { word.strip_prefix("--exit-code=") };
            settings.extend(value.and_then(|value| value.parse::<Setting>().ok()));
        }
        Self(settings).code(Kind::Usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(Into::into).collect()
    }

    #[test]
    fn codes_are_distinct_and_not_those_of_a_shell() {
        for (index, (_, kind, code)) in KINDS.iter().enumerate() {
            assert_eq!(kind.default_code(), *code);
            assert!((2..126).contains(code) && *code != INTERNAL);
            assert!(KINDS[..index].iter().all(|(_, _, other)| other != code));
            assert!(HELP.contains(&format!("\n  {code}   ")), "{code} is documented");
        }
    }

    #[test]
    fn last_setting_of_a_kind_counts() {
        let settings = ["lost=3", "not-acquired=0", "lost=4"].map(|text| text.parse().unwrap());
        let codes = ExitCodes::new(&settings);
        assert_eq!((codes.code(Kind::Lost), codes.code(Kind::NotAcquired)), (4, 0));
        assert_eq!(codes.code(Kind::Denied), 77);
    }

    #[test]
    fn wrong_setting_is_refused_with_what_is_expected() {
        for (text, expected) in [("lost", "KIND=CODE"), ("lots=1", "not-acquired"), ("lost=256", "0 to 255")]
        {
            assert!(text.parse::<Setting>().unwrap_err().contains(expected), "{text}");
        }
    }

    #[test]
    fn usage_code_is_found_in_a_command_line_that_is_wrong() {
        assert_eq!(ExitCodes::usage_of(&words("dlm run --exit-code usage=9 --wrong a -- b")), 9);
        assert_eq!(ExitCodes::usage_of(&words("dlm run --exit-code=usage=9 a")), 9);
        assert_eq!(ExitCodes::usage_of(&words("dlm run a -- b --exit-code usage=9")), 64);
    }
}
