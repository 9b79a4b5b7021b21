//! On a terminal: bars below what is finished, questions, colors. The screen is what a person would see.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::Place;

/// The app on a terminal of 100 columns.
struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<(Mutex<vt100::Parser>, Condvar)>,
    reader: std::thread::JoinHandle<()>,
}

impl Terminal {
    fn start(place: &Place, args: &[&str]) -> Self {
        let size = Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).unwrap();
        let stdio = || Stdio::from(pair.slave.try_clone().unwrap());
        let mut command = place.command(args);
        command.env("TERM", "xterm-256color").env_remove("COLUMNS");
        let child = command.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
        // The command holds ends of the terminal: as long as they are open, reading does not end.
        drop(command);
        drop(pair.slave);
        let mut output = File::from(pair.master.try_clone().unwrap());
        let screen = Arc::new((
            Mutex::new(vt100::Parser::new(NonZero::new(40).unwrap(), NonZero::new(100).unwrap(), 1000)),
            Condvar::new(),
        ));
        let shown = screen.clone();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The terminal reports an error when the program at its other end is gone.
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                shown.0.lock().unwrap().process(&buffer[..read]);
                shown.1.notify_all();
            }
        });
        Self { child, keyboard: File::from(pair.master), screen, reader }
    }

    /// Waits until the screen shows that, and gives all that is on it.
    #[track_caller]
    fn shows(&self, text: &str) -> String {
        let (parser, changed) = &*self.screen;
        let is_absent = |it: &mut vt100::Parser| !it.screen().contents().contains(text);
        let wait = changed.wait_timeout_while(parser.lock().unwrap(), Duration::from_secs(20), is_absent);
        let (parser, timeout) = wait.unwrap();
        let contents = parser.screen().contents();
        assert!(!timeout.timed_out(), "`{text}` is not on the screen:\n{contents}");
        contents
    }

    fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    fn send(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// The exit code, and what is left on the screen.
    fn ends(mut self) -> (i32, String) {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        self.reader.join().unwrap();
        let parser = self.screen.0.lock().unwrap();
        (code, parser.screen().contents())
    }
}

#[test]
fn a_bar_shows_what_is_worked_on_and_leaves_a_line() {
    let place = Place::new();
    let terminal = Terminal::start(&place, &["deploy", "--local", "--yes", "-c", "case=slow"]);
    let during = terminal.shows("/16");
    let bar = during.lines().find(|it| it.contains("/16")).unwrap();
    assert!(bar.contains("Tools") && bar.contains("111111111111") && bar.contains('░'), "{bar}");
    let (code, after) = terminal.ends();
    assert_eq!(code, 0, "{after}");
    assert!(after.contains("Tools       ✓ created") && after.contains("Production  ✓ created"), "{after}");
    assert!(after.contains("✓ 2 created"), "{after}");
    assert!(!after.contains('░') && !after.contains("/16"), "a bar is left:\n{after}");
    // What was there before the bars is still there.
    assert!(after.contains("Plan     wave 1"), "{after}");
}

#[test]
fn errors_are_not_overwritten_by_bars() {
    let place = Place::new();
    let terminal = Terminal::start(&place, &["deploy", "--local", "--yes", "-c", "case=name-taken"]);
    let (code, after) = terminal.ends();
    assert_eq!(code, 3);
    assert!(after.contains("error[name-taken]: Again/Jobs (AWS::SQS::Queue) failed"), "{after}");
    assert!(after.contains("Again       ✗ failed") && after.contains("Behind      – not started"), "{after}");
}

#[test]
fn a_question_can_be_declined_and_explained_and_agreed_to() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &["deploy", "--local"]);
    terminal.shows("Deploy these changes to 2 accounts? [y/N/d/?]");
    terminal.types("?\n");
    terminal.shows("d show all that changes");
    terminal.types("d\n");
    terminal.shows("+ AWS::SQS::Queue Queue");
    terminal.types("\n");
    let (code, after) = terminal.ends();
    assert_eq!(code, 6, "{after}");
    assert!(after.contains("declined: nothing was written"), "{after}");

    let mut terminal = Terminal::start(&place, &["deploy", "--local"]);
    terminal.shows("[y/N/d/?]");
    terminal.types("y\n");
    let (code, after) = terminal.ends();
    assert_eq!(code, 0, "{after}");
    assert!(after.contains("✓ 2 created"), "{after}");
}

#[test]
fn an_interrupt_at_the_question_writes_nothing() {
    let place = Place::new();
    let terminal = Terminal::start(&place, &["deploy", "--local"]);
    terminal.shows("[y/N/d/?]");
    terminal.send(Signal::SIGINT);
    assert_eq!(terminal.ends().0, 130);
    assert!(place.run(&["status", "--local"]).out.contains("not deployed"));
}

#[test]
fn an_interrupt_asks_what_to_do() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &["deploy", "--local", "--yes", "-c", "case=slow"]);
    terminal.shows("/16");
    terminal.send(Signal::SIGINT);
    terminal.shows("d detach");
    terminal.types("d\n");
    let (code, after) = terminal.ends();
    assert_eq!(code, 130, "{after}");
    assert!(after.contains("operations that were started go on without us"), "{after}");
}
