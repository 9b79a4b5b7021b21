//! A run while it goes on: bars on a terminal, a line an event elsewhere, JSON lines, or nothing but failures.
//!
//! What is finished is printed once and stays; only the stacks that are being worked on are redrawn.

mod bars;
mod progress;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use xacct_deploy::cloudformation::StatusText;
use xacct_deploy::{Event, Timestamp};

use crate::args::ProgressHow;
use crate::terminal::Terminal;
use bars::Bars;
use progress::Progress;

/// How long nothing may happen before it is said what is waited for.
const SILENCE: Duration = Duration::from_secs(30);

/// Shows the events of a run.
pub(crate) struct View<'a> {
    terminal: &'a Terminal,
    progress: Progress,
    how: How,
    silence: Silence,
    /// Whether what the service tells is stamped with the time here, because the service's is not that of this world.
    stamps_here: bool,
}

enum How {
    Json,
    Bars(Bars),
    Lines,
    Nothing,
}

impl<'a> View<'a> {
    pub(crate) fn new(terminal: &'a Terminal) -> Self {
        let how = match terminal.progress {
            _ if terminal.json => How::Json,
            ProgressHow::Bars => How::Bars(Bars::on_terminal(&terminal.err)),
            ProgressHow::Errors => How::Nothing,
            ProgressHow::Auto | ProgressHow::Events => How::Lines,
        };
        Self { terminal, progress: Progress::default(), how, silence: Silence::default(), stamps_here: false }
    }

    /// Of what has happened already: there is nothing to redraw, so each event gets its line.
    pub(crate) fn of_the_past(terminal: &'a Terminal) -> Self {
        let mut view = Self::new(terminal);
        if matches!(view.how, How::Bars(_)) {
            view.how = How::Lines;
        }
        view
    }

    /// Of a rehearsal, whose clock goes faster than ours: its lines are stamped with the time here, in order with the others.
    pub(crate) fn of_a_rehearsal(mut self) -> Self {
        self.stamps_here = true;
        self
    }

    pub(crate) fn event(&mut self, event: &Event) {
        self.progress.event(event);
        self.silence.end();
        let line = self.progress.line(event, self.terminal.verbose, &self.terminal.err);
        match &mut self.how {
            How::Json => {
                // A stream that is gone or full must not stop a deployment.
                let _ = self.terminal.data(&serde_json::to_string(event).unwrap_or_default());
            }
            How::Bars(bars) => {
                if let Some(line) = bars.event(event, &self.progress, line.as_deref()) {
                    self.terminal.err_line(line);
                }
            }
            How::Lines => {
                if let Some(line) = line {
                    let time = match event {
                        Event::Resource { event, .. } if !self.stamps_here => event.timestamp,
                        _ => now(),
                    };
                    self.terminal.err_line(&format!("{} {line}", self.terminal.err.dim(&time.to_seconds())));
                }
            }
            How::Nothing => {}
        }
    }

    /// Time passed.
    pub(crate) fn tick(&mut self) {
        match &mut self.how {
            How::Bars(bars) => bars.tick(),
            How::Lines => {
                if let Some(line) = self.silence.broken(&self.progress) {
                    self.terminal.err_line(&format!("{} {line}", self.terminal.err.dim(&now().to_seconds())));
                }
            }
            _ => {}
        }
    }

    /// Something that the user has to know now.
    pub(crate) fn note(&mut self, text: &str) {
        match &mut self.how {
            How::Json => {
                let _ = self.terminal.json("note", serde_json::json!({ "stack": null, "message": text }));
            }
            How::Bars(bars) if !bars.is_held() => bars.print(text),
            How::Bars(_) => self.terminal.err_line(text),
            How::Lines | How::Nothing => self.terminal.err_line(text),
        }
    }

    /// Redraws nothing while the user is asked something.
    pub(crate) fn hold(&mut self) {
        if let How::Bars(bars) = &mut self.how {
            bars.hold();
        }
    }

    /// The user has answered.
    pub(crate) fn resume(&mut self) {
        if let How::Bars(bars) = &mut self.how {
            bars.resume();
        }
    }

    /// Takes away what was only for the time of the run.
    pub(crate) fn end(&mut self) {
        if let How::Bars(bars) = &mut self.how {
            bars.end();
        }
    }
}

/// How long nothing was told.
struct Silence {
    since: Instant,
}

impl Default for Silence {
    fn default() -> Self {
        Self { since: Instant::now() }
    }
}

impl Silence {
    fn end(&mut self) {
        self.since = Instant::now();
    }

    /// What is waited for, if it is time to say so.
    fn broken(&mut self, progress: &Progress) -> Option<String> {
        if self.since.elapsed() < SILENCE {
            return None;
        }
        self.end();
        progress.waiting().map(|it| format!("waiting on {it}"))
    }
}

/// The time here. What the service tells has a time of its own.
fn now() -> Timestamp {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Timestamp(i64::try_from(millis).unwrap_or_default())
}

/// Whether a status says that something came to its end.
fn is_end(status: &StatusText) -> bool {
    status.as_str().ends_with("_COMPLETE") || status.is_failure() || status.as_str().ends_with("_SKIPPED")
}

/// `01:12`, or `1:01:12`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes:02}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second() -> Duration {
        Duration::from_secs(1)
    }

    fn begun() -> Progress {
        let mut progress = Progress::of_tools();
        progress.event(&Event::StackStarted { stack: "Tools".into() });
        progress
    }

    /// Lines that break the silence within a time.
    async fn lines(silence: &mut Silence, progress: &Progress, seconds: u32) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..seconds {
            tokio::time::advance(second()).await;
            lines.extend(silence.broken(progress));
        }
        lines
    }

    #[tokio::test(start_paused = true)]
    async fn every_half_minute_it_is_said_what_is_waited_for() {
        let progress = begun();
        let mut silence = Silence::default();
        assert!(lines(&mut silence, &progress, 29).await.is_empty());
        assert_eq!(lines(&mut silence, &progress, 1).await, ["waiting on Tools: its change set since 00:30"]);
        assert!(lines(&mut silence, &progress, 29).await.is_empty());
        assert_eq!(lines(&mut silence, &progress, 61).await.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_happens_ends_the_silence() {
        let progress = begun();
        let mut silence = Silence::default();
        tokio::time::advance(second() * 29).await;
        silence.end();
        assert!(lines(&mut silence, &progress, 29).await.is_empty());
        assert_eq!(lines(&mut silence, &progress, 1).await, ["waiting on Tools: its change set since 00:59"]);
    }
}
