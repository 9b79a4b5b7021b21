//! Standard output and standard error: who reads them, what they can show, and what happens when they break.
//!
//! Data goes to standard output, all else to standard error. A reader that has gone (`… | head`) is no error: what is
//! left is dropped, and a deployment goes on. A full disk is one.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use serde::Serialize;
use xacct_core::Severity;

use crate::args::{ColorWhen, Global, ProgressHow};
use crate::problem::{Failure, Problem};
use crate::report;

/// The version of the JSON lines: raised when a type or a field is removed or changes its meaning.
pub(crate) const JSON_VERSION: u32 = 1;

/// The two streams, as the flags and the environment want them.
#[derive(Debug)]
pub(crate) struct Terminal {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    /// How progress is shown; never `Auto`.
    pub(crate) progress: ProgressHow,
    pub(crate) out: Style,
    pub(crate) err: Style,
    /// Both a question and its answer can pass.
    pub(crate) can_ask: bool,
    reader_is_gone: AtomicBool,
    /// What must not be shown.
    hidden: RwLock<Vec<String>>,
}

impl Terminal {
    pub(crate) fn new(global: &Global) -> Self {
        let err_is_terminal = io::stderr().is_terminal();
        let is_dumb = std::env::var("TERM").is_ok_and(|it| it == "dumb");
        let is_ci = std::env::var_os("CI").is_some_and(|it| !it.is_empty() && it != "false");
        let bars = err_is_terminal && !is_dumb && !is_ci;
        let progress = match global.progress {
            ProgressHow::Auto if global.quiet => ProgressHow::Errors,
            ProgressHow::Auto if bars => ProgressHow::Bars,
            ProgressHow::Auto => ProgressHow::Events,
            ProgressHow::Bars if !err_is_terminal => ProgressHow::Events,
            other => other,
        };
        let width = width();
        Self {
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            progress,
            out: Style::new(global.color, io::stdout().is_terminal(), is_dumb, width),
            err: Style::new(global.color, err_is_terminal, is_dumb, width),
            can_ask: err_is_terminal && io::stdin().is_terminal() && !global.json,
            reader_is_gone: AtomicBool::new(false),
            hidden: RwLock::default(),
        }
    }

    /// A text that is shown as `****` from now on. One of less than four characters would blot out ordinary text, and protects nothing.
    pub(crate) fn hide(&self, secret: &str) {
        if secret.chars().count() < 4 {
            return;
        }
        let mut hidden = self.hidden.write().unwrap_or_else(PoisonError::into_inner);
        hidden.push(secret.to_owned());
        hidden.sort_by_key(|it| std::cmp::Reverse(it.len()));
    }

    fn scrub<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
        let is_in = hidden.iter().any(|it| text.contains(it.as_str()));
        if !is_in {
            return Cow::Borrowed(text);
        }
        Cow::Owned(hidden.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "****")))
    }

    /// A line of data for standard output.
    pub(crate) fn data(&self, line: &str) -> Result<(), Failure> {
        self.write(&format!("{line}\n"))
    }

    /// Data for standard output, as it is.
    pub(crate) fn write(&self, text: &str) -> Result<(), Failure> {
        if self.reader_is_gone.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        match out.write_all(self.scrub(text).as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.reader_is_gone.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(source) => Err(Failure::internal(&OutputError { source })),
        }
    }

    /// A JSON line of that type. Only with `--json`.
    pub(crate) fn json(&self, kind: &str, fields: impl Serialize) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let mut object = serde_json::Map::new();
        object.insert("type".into(), kind.into());
        if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(fields) {
            object.extend(fields);
        }
        self.data(&serde_json::Value::Object(object).to_string())
    }

    /// The line that every JSON output begins with.
    pub(crate) fn json_version(&self) -> Result<(), Failure> {
        self.json(
            "version",
            serde_json::json!({ "version": JSON_VERSION, "program": "xacct", "xacct": env!("CARGO_PKG_VERSION") }),
        )
    }

    /// Tells what happens, unless nobody wants to know.
    pub(crate) fn say(&self, line: &str) {
        if !self.quiet && !self.json {
            self.err_line(line);
        }
    }

    /// A line for standard error, whatever the flags say. Nobody can be told when that fails.
    pub(crate) fn err_line(&self, line: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", self.scrub(line));
    }

    /// Tells of a problem: rendered for people, or as a `diagnostic` line.
    pub(crate) fn problem(&self, problem: &Problem) {
        if self.json {
            // A stream that cannot be written to is found out by the next line of data.
            let _ = self.json("diagnostic", report::json(problem));
        } else if problem.severity == Severity::Error || !self.quiet {
            let _ = write!(io::stderr().lock(), "{}", self.scrub(&report::render(problem, &self.err)));
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
struct OutputError {
    source: io::Error,
}

fn width() -> usize {
    let from_variable = std::env::var("COLUMNS").ok().and_then(|it| it.parse().ok());
    let from_terminal = || console::Term::stderr().size_checked().map(|(_, columns)| usize::from(columns));
    from_variable.or_else(from_terminal).unwrap_or(100).clamp(20, 400)
}

/// What a stream can show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) color: bool,
    pub(crate) links: bool,
    pub(crate) width: usize,
}

/// A width that nothing exceeds.
const UNCUT: usize = 100_000;

impl Style {
    fn new(when: ColorWhen, is_terminal: bool, is_dumb: bool, width: usize) -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|it| !it.is_empty());
        let color = match when {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto if is_set("NO_COLOR") => false,
            ColorWhen::Auto if std::env::var("CLICOLOR_FORCE").is_ok_and(|it| it != "0" && !it.is_empty()) => true,
            ColorWhen::Auto => is_terminal && !is_dumb,
        };
        Self { color, links: is_terminal && !is_dumb && color, width }
    }

    /// The same, with room for everything if that is wanted.
    pub(crate) fn unless_cut(self, everything: bool) -> Self {
        if everything { Self { width: UNCUT, ..self } } else { self }
    }

    /// Whether everything is to be shown.
    pub(crate) fn is_uncut(&self) -> bool {
        self.width >= UNCUT
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn red(&self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn green(&self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn yellow(&self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(crate) fn cyan(&self, text: &str) -> String {
        self.paint("36", text)
    }

    /// Text that leads somewhere when clicked (OSC 8).
    pub(crate) fn link(&self, url: &str, text: &str) -> String {
        if self.links { format!("\x1b]8;;{url}\x1b\\{text}\x1b]8;;\x1b\\") } else { text.to_owned() }
    }
}
