//! What went wrong, in a form that both people and programs can be told.

use xacct_core::{Diagnostic, Severity, SourceLocation};

use crate::exit::Exit;

/// One thing that is wrong, mostly with a place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    pub(crate) severity: Severity,
    /// A stable name of the kind of problem.
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    /// The place at fault, and how many characters of its line.
    pub(crate) place: Option<Place>,
    /// Other places, each with a word on how they matter.
    pub(crate) related: Vec<(String, SourceLocation)>,
    /// What else to know, a line each.
    pub(crate) notes: Vec<String>,
    pub(crate) help: Option<String>,
}

/// A stretch of a line in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) location: SourceLocation,
    pub(crate) length: usize,
}

impl Place {
    /// The place of a range of bytes of a text.
    pub(crate) fn of(file: &str, text: &str, range: std::ops::Range<usize>) -> Self {
        let start = range.start.min(text.len());
        let before = text.get(..start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let within = text.get(start..range.end.min(text.len())).unwrap_or_default();
        let length = within.lines().next().unwrap_or_default().chars().count().max(1);
        let number = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        Self { location: SourceLocation { file: file.to_owned(), line: number(line), column: number(column) }, length }
    }
}

impl Problem {
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code: None,
            message: message.into(),
            place: None,
            related: Vec::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    pub(crate) fn code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }

    pub(crate) fn at(mut self, place: impl Into<Option<Place>>) -> Self {
        self.place = place.into();
        self
    }

    pub(crate) fn related(mut self, how: &str, location: SourceLocation) -> Self {
        self.related.push((how.to_owned(), location));
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Asks whether the nearest name was meant, or lists what there is.
    pub(crate) fn help_nearest<'a>(self, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        match xacct_core::nearest::nearest(name, known.iter().copied()) {
            Some(nearest) => self.help(format!("did you mean `{nearest}`?")),
            None if known.is_empty() => self,
            None => self.help(format!("there are: {}", known.join(", "))),
        }
    }
}

impl From<&Diagnostic> for Problem {
    fn from(diagnostic: &Diagnostic) -> Self {
        let mut notes = Vec::new();
        notes.extend(diagnostic.path.as_ref().map(|it| format!("construct {it}")));
        notes.extend(diagnostic.property.as_ref().map(|it| format!("property {it}")));
        Self {
            severity: diagnostic.severity,
            code: Some(diagnostic.rule.clone()),
            message: diagnostic.message.clone(),
            place: diagnostic.location.clone().map(|location| Place { location, length: 0 }),
            related: diagnostic.related.clone(),
            notes,
            help: diagnostic.help.clone(),
        }
    }
}

/// Why a verb ends without having done its work.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What is wrong; empty if it was told already.
    pub(crate) problems: Vec<Problem>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, problem: Problem) -> Self {
        Self { exit, problems: vec![problem] }
    }

    /// The invocation or the configuration is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, Problem::error(message))
    }

    /// Something outside of the user's program fails, such as the file system.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut problem = Problem::error(error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            problem = problem.note(lower_first(&cause.to_string()));
            source = cause.source();
        }
        Self::new(Exit::Internal, problem)
    }

    /// Everything was told already; only the code is left.
    pub(crate) fn told(exit: Exit) -> Self {
        Self { exit, problems: Vec::new() }
    }

    /// Says what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(last) = self.problems.pop() {
            self.problems.push(last.help(help));
        }
        self
    }
}

/// Why the system refused, in the house's style.
pub(crate) fn io_reason(error: &std::io::Error) -> String {
    lower_first(&error.to_string())
}

/// `No space left on device (os error 28)` in the house's style.
fn lower_first(text: &str) -> String {
    let text = text.split(" (os error").next().unwrap_or(text);
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}
