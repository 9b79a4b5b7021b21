//! `explain`: what a rule is for, and what to do about a finding.

use serde_json::json;
use xacct_access::rule::RULES;

use crate::args::ExplainArgs;
use crate::exit::Exit;
use crate::explanations::EXPLANATIONS;
use crate::failed::wrap;
use crate::plan_report::shortened;
use crate::problem::{Failure, Problem};
use crate::session::Session;

pub(crate) fn run(session: &Session<'_>, args: &ExplainArgs) -> Result<Exit, Failure> {
    let terminal = &session.terminal;
    let all = topics();
    let wanted: Vec<&Topic> = match &args.rule {
        Some(name) => all.iter().filter(|it| it.is_named(name)).collect(),
        None => all.iter().collect(),
    };
    if let (true, Some(name)) = (wanted.is_empty(), &args.rule) {
        let known = all.iter().flat_map(|it| [it.id, it.name]);
        let problem = Problem::error(format!("there is no rule `{name}`")).help_nearest(name, known);
        let problem = if problem.help.as_ref().is_some_and(|it| it.starts_with("there are")) {
            problem.help("`explain` alone lists all")
        } else {
            problem
        };
        return Err(Failure::new(Exit::Usage, problem));
    }
    let width = wanted.iter().map(|it| it.title().chars().count()).max().unwrap_or_default();
    for topic in wanted {
        if terminal.json {
            let fields = json!({ "id": topic.id, "name": topic.name, "text": topic.texts, "page": topic.page });
            terminal.json("explanation", fields)?;
        } else if args.rule.is_none() {
            let first = topic.texts.first().map_or("", |it| it.split(". ").next().unwrap_or(it).trim_end_matches('.'));
            let room = terminal.out.width.saturating_sub(width + 2);
            terminal.data(&format!("{:<width$}  {}", topic.title(), shortened(first, room)))?;
        } else {
            topic.tell(session)?;
        }
    }
    Ok(Exit::Done)
}

/// Something that can be explained: a rule of the check, of a template, of the program, or a kind of failure.
struct Topic {
    id: &'static str,
    name: &'static str,
    texts: Vec<&'static str>,
    elsewhere: &'static [&'static str],
    page: Option<&'static str>,
}

fn topics() -> Vec<Topic> {
    let rules = RULES.iter().map(|it| Topic {
        id: it.id,
        name: it.name,
        texts: vec![it.explanation],
        elsewhere: it.elsewhere,
        page: Some(it.page).filter(|it| !it.is_empty()),
    });
    let others = EXPLANATIONS.iter().map(|it| Topic {
        id: it.name,
        name: it.name,
        texts: vec![it.what, it.why, it.remedy],
        elsewhere: &[],
        page: None,
    });
    rules.chain(others).collect()
}

impl Topic {
    fn is_named(&self, name: &str) -> bool {
        self.id.eq_ignore_ascii_case(name) || self.name == name
    }

    fn title(&self) -> String {
        if self.id == self.name { self.id.to_owned() } else { format!("{} {}", self.id, self.name) }
    }

    fn tell(&self, session: &Session<'_>) -> Result<(), Failure> {
        let terminal = &session.terminal;
        terminal.data(&terminal.out.bold(&self.title()))?;
        for text in &self.texts {
            for line in wrap(text, terminal.out.width.min(100).saturating_sub(2)) {
                terminal.data(&format!("  {line}"))?;
            }
        }
        if !self.elsewhere.is_empty() {
            terminal.data(&format!("  elsewhere: {}", self.elsewhere.join(", ")))?;
        }
        self.page.map_or(Ok(()), |page| terminal.data(&format!("  {}", terminal.out.link(page, page))))
    }
}
