//! A terminal for the app: what a person would see on it, and type.

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

/// The app on a terminal.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<(Mutex<vt100::Parser>, Condvar)>,
    reader: std::thread::JoinHandle<Vec<u8>>,
}

impl Terminal {
    /// On a terminal of 100 columns.
    pub(crate) fn start(place: &Place, args: &[&str]) -> Self {
        Self::with_columns(place, args, 100)
    }

    pub(crate) fn with_columns(place: &Place, args: &[&str], columns: u16) -> Self {
        let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
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
            Mutex::new(vt100::Parser::new(NonZero::new(40).unwrap(), NonZero::new(columns).unwrap(), 1000)),
            Condvar::new(),
        ));
        let shown = screen.clone();
        let reader = std::thread::spawn(move || {
            let (mut buffer, mut all) = ([0; 4096], Vec::new());
            // The terminal reports an error when the program at its other end is gone.
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                shown.0.lock().unwrap().process(&buffer[..read]);
                shown.1.notify_all();
                all.extend_from_slice(&buffer[..read]);
            }
            all
        });
        Self { child, keyboard: File::from(pair.master), screen, reader }
    }

    /// Waits until the screen shows that, and gives all that is on it.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> String {
        let (parser, changed) = &*self.screen;
        let is_absent = |it: &mut vt100::Parser| !it.screen().contents().contains(text);
        let wait = changed.wait_timeout_while(parser.lock().unwrap(), Duration::from_secs(20), is_absent);
        let (parser, timeout) = wait.unwrap();
        let contents = parser.screen().contents();
        assert!(!timeout.timed_out(), "`{text}` is not on the screen:\n{contents}");
        contents
    }

    pub(crate) fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn send(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// The exit code, and what is left on the screen.
    pub(crate) fn ends(mut self) -> (i32, String) {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        self.reader.join().unwrap();
        let parser = self.screen.0.lock().unwrap();
        (code, parser.screen().contents())
    }

    /// All that was written, with what steers a terminal.
    pub(crate) fn writes(mut self) -> String {
        self.child.wait().unwrap();
        String::from_utf8_lossy(&self.reader.join().unwrap()).into_owned()
    }
}
