//! What is wrong with a program's definitions, all of it at once, each with the place in the source.

use std::fmt;
use std::panic::Location;

use serde::{Deserialize, Serialize};

/// A place in the user's program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceLocation {
    /// The file, as the compiler names it: mostly relative to the workspace.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl From<&Location<'_>> for SourceLocation {
    fn from(at: &Location<'_>) -> Self {
        Self { file: at.file().to_owned(), line: at.line(), column: at.column() }
    }
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// How bad a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is written.
    Error,
    /// Worth knowing; the templates are written.
    Warning,
}

/// One finding about the definitions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name of the kind of finding, such as `duplicate-id`. It is what [`Node::silence`](crate::Node::silence) takes.
    pub rule: String,
    /// What is wrong.
    pub message: String,
    /// The construct's path, where one is at fault.
    pub path: Option<String>,
    /// The property's path in the resource, such as `Stages[0].Name`.
    pub property: Option<String>,
    /// Where the construct was made, or the mistaken call.
    pub location: Option<SourceLocation>,
    /// Other places that have to do with it, each with a word on how.
    pub related: Vec<(String, SourceLocation)>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(rule: &str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            rule: rule.to_owned(),
            message: message.into(),
            path: None,
            property: None,
            location: None,
            related: Vec::new(),
            help: None,
        }
    }

    /// A warning.
    pub fn warning(rule: &str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(rule, message) }
    }

    /// Names the construct.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Names the property.
    #[must_use]
    pub fn property(mut self, path: impl Into<String>) -> Self {
        self.property = Some(path.into());
        self
    }

    /// Names the place.
    #[must_use]
    pub fn at(mut self, location: impl Into<SourceLocation>) -> Self {
        self.location = Some(location.into());
        self
    }

    /// Names another place.
    #[must_use]
    pub fn related(mut self, how: impl Into<String>, location: impl Into<SourceLocation>) -> Self {
        self.related.push((how.into(), location.into()));
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Puts findings into the order in which a template is read: by construct, then by property, and by rule only where both are the same.
pub(crate) fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by(|one, other| place(one).cmp(&place(other)).then_with(|| one.cmp(other)));
}

/// The steps of the paths, so that a construct's children follow it, and the tenth item of a list the ninth.
fn place(of: &Diagnostic) -> (Option<Vec<&str>>, Option<Vec<Step<'_>>>) {
    let path = of.path.as_deref().map(|it| it.split('/').collect());
    let property = of.property.as_deref().map(|it| it.split(['.', '[', ']']).map(Step::of).collect());
    (path, property)
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Step<'t> {
    Item(usize),
    Name(&'t str),
}

impl<'t> Step<'t> {
    fn of(text: &'t str) -> Self {
        text.parse().map_or(Self::Name(text), Self::Item)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(path) = &self.path {
            write!(f, "\n  construct {path}")?;
        }
        if let Some(property) = &self.property {
            write!(f, "\n  property {property}")?;
        }
        if let Some(location) = &self.location {
            write!(f, "\n  at {location}")?;
        }
        for (how, location) in &self.related {
            write!(f, "\n  {how} {location}")?;
        }
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// Everything that keeps an app from being synthesized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynthError {
    /// The findings: errors first, each kind in the order of constructs' and properties' paths.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for SynthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.diagnostics.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for SynthError {}
