//! What the commands print: text for people, or JSON lines for programs.
//!
//! - `time`: instants, relative and absolute
//! - `table`: columns
//! - `style`: colors
//! - `event_line`: an event as a line of text

mod event_line;
mod style;
mod table;
mod time;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::json;

pub(crate) use self::event_line::event_line;
pub(crate) use self::style::{Style, printable};
pub(crate) use self::table::Table;
pub(crate) use self::time::{Clock, duration, milliseconds};
use crate::arguments::{ColorChoice, GlobalOptions};
use crate::exit_code::Kind;
use crate::failure::{Failure, Unread};

/// The output of a command.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    style: Style,
    error_style: Style,
}

impl Output {
    pub(crate) fn new(options: &GlobalOptions) -> Self {
        let allowed = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let style = |is_terminal: bool| match options.color {
            ColorChoice::Auto => Style::new(is_terminal && allowed),
            ColorChoice::Always => Style::new(true),
            ColorChoice::Never => Style::new(false),
        };
        Self {
            json: options.json,
            style: style(io::stdout().is_terminal()),
            error_style: style(io::stderr().is_terminal()),
        }
    }

    /// Whether to print JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// Prints one line.
    ///
    /// # Errors
    ///
    /// [`Unread`] if nobody reads the output any more, as in `dlm ls | head -1`, among others.
    pub(crate) fn line(&self, line: &str) -> io::Result<()> {
        let mut output = io::stdout().lock();
        let written = writeln!(output, "{line}").and_then(|()| output.flush());
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, Unread),
            _ => error,
        })
    }

    /// Prints an object as one line of JSON.
    pub(crate) fn object(&self, value: &impl Serialize) -> io::Result<()> {
        self.line(&serde_json::to_string(value)?)
    }

    /// Prints why a command failed, to standard error.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.is_silent() {
            return;
        }
        let text = if self.json {
            failure_object(failure).to_string()
        } else {
            format!("{} {failure}", self.error_style.bad("dlm:"))
        };
        // Nobody is left to tell if standard error is closed.
        writeln!(io::stderr(), "{text}").ok();
    }
}

/// A failure as a JSON object.
pub(crate) fn failure_object(failure: &Failure) -> serde_json::Value {
    let kind = failure.kind().map_or("other", Kind::name);
    json!({
        "type": "error", "kind": kind, "message": failure.message(),
        "hint": failure.advice(), "exit_code": failure.exit_code(),
    })
}
