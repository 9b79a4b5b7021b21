//! Problems as people read them: with the lines of their source, where it can be read.

use std::fmt;
use std::path::{Path, PathBuf};

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode, ThemeCharacters, ThemeStyles,
};
use serde_json::{Value as Json, json};
use textwrap::{WordSeparator, WordSplitter};
use xacct_core::{Severity, SourceLocation};

use crate::problem::{Place, Problem};
use crate::terminal::Style;

/// A problem in many lines.
pub(crate) fn render(problem: &Problem, style: &Style) -> String {
    let report = Report::new(problem);
    let styles = if style.color { ThemeStyles::ansi() } else { ThemeStyles::none() };
    let theme = GraphicalTheme { characters: ThemeCharacters::unicode(), styles };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(style.width)
        .with_links(style.links)
        .with_context_lines(1)
        // Flags, names and times have hyphens, and are copied.
        .with_word_separator(WordSeparator::AsciiSpace)
        .with_word_splitter(WordSplitter::NoHyphenation)
        .with_break_words(false)
        .without_cause_chain();
    let mut text = String::new();
    match handler.render_report(&mut text, &report) {
        Ok(()) => text,
        Err(_) => format!("{}\n", problem.message),
    }
}

/// A problem as the fields of a JSON line.
pub(crate) fn json(problem: &Problem) -> Json {
    json!({
        "severity": problem.severity,
        "rule": problem.code,
        "message": problem.message,
        "location": problem.place.as_ref().map(|it| &it.location),
        "related": problem.related.iter().map(|(how, at)| json!({ "how": how, "location": at })).collect::<Vec<_>>(),
        "notes": problem.notes,
        "help": problem.help,
    })
}

/// The line of the source at a place, without its indentation.
pub(crate) fn source_line(location: &SourceLocation) -> Option<String> {
    let text = std::fs::read_to_string(find(&location.file)?).ok()?;
    Some(text.lines().nth(location.line.checked_sub(1)? as usize)?.trim().to_owned())
}

/// The compiler names files relative to the workspace, which may be a folder above the one we are in.
pub(crate) fn find(file: &str) -> Option<PathBuf> {
    let here = std::env::current_dir().ok();
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let folders: Vec<PathBuf> = here.into_iter().chain(package).collect();
    let mut candidates = folders.iter().flat_map(|it| it.ancestors()).map(|it| it.join(file));
    candidates.find(|it| it.is_file())
}

#[derive(Debug)]
struct Report {
    message: String,
    code: Option<String>,
    severity: Severity,
    help: Option<String>,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
}

impl Report {
    fn new(problem: &Problem) -> Self {
        let text = problem.place.as_ref().and_then(|it| std::fs::read_to_string(find(&it.location.file)?).ok());
        let mut labels = Vec::new();
        let mut lines = problem.notes.clone();
        match (&problem.place, &text) {
            (Some(place), Some(text)) => {
                let primary = label(None, place, text);
                labels.push(LabeledSpan::new_primary_with_span(None, *primary.inner()));
                for (how, location) in &problem.related {
                    let at = Place { location: location.clone(), length: 0 };
                    if location.file == place.location.file {
                        let here = how.strip_suffix(" at").map_or_else(|| how.clone(), |it| format!("{it} here"));
                        labels.push(label(Some(here), &at, text));
                    } else {
                        lines.push(format!("{how} {location}"));
                    }
                }
            }
            (place, _) => {
                lines.extend(place.as_ref().map(|it| format!("at {}", it.location)));
                lines.extend(problem.related.iter().map(|(how, location)| format!("{how} {location}")));
            }
        }
        let name = problem.place.as_ref().map(|it| it.location.file.clone()).unwrap_or_default();
        Self {
            message: std::iter::once(problem.message.clone()).chain(lines).collect::<Vec<_>>().join("\n"),
            code: problem.code.clone(),
            severity: problem.severity,
            help: problem.help.clone(),
            source: text.map(|text| NamedSource::new(Path::new(&name).display().to_string(), text)),
            labels,
        }
    }
}

/// A place in bytes. A length of 0 means what starts there: a name, or the rest of the line.
fn label(text: Option<String>, place: &Place, source: &str) -> LabeledSpan {
    let line = (place.location.line as usize).saturating_sub(1);
    let before: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    let content = source.get(before..).unwrap_or_default().lines().next().unwrap_or_default();
    let column = (place.location.column as usize).saturating_sub(1);
    let start: usize = content.chars().take(column).map(char::len_utf8).sum();
    let rest = &content[start..];
    let length = match place.length {
        0 => rest.find(['(', ' ', ',', ';']).filter(|it| *it > 0).unwrap_or(rest.len()).max(1),
        length => rest.chars().take(length).map(char::len_utf8).sum(),
    };
    LabeledSpan::new(text, before + start, length)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl miette::Diagnostic for Report {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.as_ref().map(|it| Box::new(it) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|it| Box::new(it) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|it| it as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}
