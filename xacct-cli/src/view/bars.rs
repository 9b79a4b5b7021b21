//! A bar for each stack that is being worked on, below the lines of all that is finished.

use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use xacct_deploy::Event;

use super::progress::{Progress, StackProgress};
use crate::terminal::Style;

/// More stacks than this are not shown at once.
const MOST: usize = 12;

pub(super) struct Bars {
    all: MultiProgress,
    bars: BTreeMap<String, ProgressBar>,
    /// How many stacks are done, below all bars.
    total: Option<ProgressBar>,
    style: Style,
    /// Nothing is drawn: somebody types, and what is typed moves the cursor.
    is_held: bool,
}

impl Bars {
    pub(super) fn on_terminal(style: &Style) -> Self {
        Self::on(ProgressDrawTarget::stderr(), style)
    }

    fn on(target: ProgressDrawTarget, style: &Style) -> Self {
        let all = MultiProgress::with_draw_target(target);
        Self { all, bars: BTreeMap::new(), total: None, style: *style, is_held: false }
    }

    /// Takes the bars away until [`Bars::resume`], so that the terminal can be typed on.
    pub(super) fn hold(&mut self) {
        let _ = self.all.clear();
        self.all.set_draw_target(ProgressDrawTarget::hidden());
        self.is_held = true;
    }

    pub(super) fn resume(&mut self) {
        self.all.set_draw_target(ProgressDrawTarget::stderr());
        self.is_held = false;
    }

    pub(super) fn is_held(&self) -> bool {
        self.is_held
    }

    /// Shows an event. Its line, if it is to stay and cannot be shown here now.
    pub(super) fn event<'l>(&mut self, event: &Event, progress: &Progress, line: Option<&'l str>) -> Option<&'l str> {
        match event {
            Event::StackStarted { .. } => self.fill(progress),
            Event::StackFinished { stack, .. } => {
                if let Some(bar) = self.bars.remove(stack) {
                    bar.finish_and_clear();
                    self.all.remove(&bar);
                }
                self.fill(progress);
            }
            _ => {}
        }
        let line = line.filter(|_| stays(event));
        if let (Some(line), false) = (line, self.is_held) {
            self.print(line);
        }
        if let Some((stack, bar)) = subject(event).and_then(|it| Some((progress.stacks.get(it)?, self.bars.get(it)?))) {
            self.update(bar, stack);
        }
        line.filter(|_| self.is_held)
    }

    /// As many of the stacks that are worked on get a bar as fit; the last line counts all of them.
    fn fill(&mut self, progress: &Progress) {
        if progress.stacks.len() > 1 && self.total.is_none() {
            let total = ProgressBar::new(0).with_style(plain_style("  {msg}"));
            self.total = Some(self.all.add(total));
        }
        let worked_on = || progress.stacks.iter().filter(|(_, it)| it.is_worked_on());
        let width = progress.stacks.values().map(|it| it.name.chars().count()).max().unwrap_or_default();
        for (id, stack) in worked_on() {
            if self.bars.len() == MOST {
                break;
            }
            if self.bars.contains_key(id) {
                continue;
            }
            // It has its form before it is drawn for the first time.
            let prefix = format!("{:<width$} {}", stack.name, stack.account);
            let bar = ProgressBar::new(0).with_style(self.form(stack)).with_prefix(prefix);
            let bar = match &self.total {
                Some(total) => self.all.insert_before(total, bar),
                None => self.all.add(bar),
            };
            self.update(&bar, stack);
            self.bars.insert(id.clone(), bar);
        }
        if let Some(total) = &self.total {
            let done = progress.stacks.values().filter(|it| it.is_finished).count();
            let hidden = worked_on().count() - self.bars.len();
            let more = if hidden > 0 { format!(", {hidden} more being worked on") } else { String::new() };
            total.set_message(format!("{done} of {} stacks done{more}", progress.stacks.len()));
        }
    }

    fn form(&self, stack: &StackProgress) -> ProgressStyle {
        let color = match (self.style.color, stack.is_rolling_back) {
            (false, _) => "",
            (true, true) => ".red",
            (true, false) => ".cyan",
        };
        // How much there is to do is not known at first, and not for every operation.
        match stack.total {
            Some(_) => {
                plain_style(&format!("  {{prefix}} {{bar:20{color}}} {{pos:>2}}/{{len}} {{elapsed_precise}} {{msg}}"))
            }
            None => plain_style("  {prefix} {pos:>2} {elapsed_precise} {msg}"),
        }
    }

    fn update(&self, bar: &ProgressBar, stack: &StackProgress) {
        if let Some(total) = stack.total {
            bar.set_length(total as u64);
        }
        bar.set_style(self.form(stack));
        bar.set_position(stack.done() as u64);
        let rolling_back = if stack.is_rolling_back { "rolling back " } else { "" };
        bar.set_message(format!("{rolling_back}{}", stack.working_on()));
        bar.tick();
    }

    pub(super) fn tick(&mut self) {
        for bar in self.bars.values() {
            bar.tick();
        }
    }

    /// A line above the bars that stays.
    pub(super) fn print(&self, line: &str) {
        // A terminal that is gone must not stop a deployment.
        let _ = self.all.println(line);
    }

    pub(super) fn end(&mut self) {
        for bar in std::mem::take(&mut self.bars).into_values() {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
        if let Some(total) = self.total.take() {
            total.finish_and_clear();
            self.all.remove(&total);
        }
        let _ = self.all.clear();
    }
}

/// A template of our own, which is right.
fn plain_style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█░")
}

/// Bars show progress: of the lines, only those stay that somebody will want to read afterwards.
fn stays(event: &Event) -> bool {
    match event {
        Event::Resource { event, .. } => event.status.is_failure(),
        Event::OperationStarted { .. } => false,
        _ => true,
    }
}

fn subject(event: &Event) -> Option<&str> {
    match event {
        Event::StackStarted { stack }
        | Event::StackAttached { stack, .. }
        | Event::OperationStarted { stack, .. }
        | Event::Resource { stack, .. } => Some(stack),
        _ => None,
    }
}
