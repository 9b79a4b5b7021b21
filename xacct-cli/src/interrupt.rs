//! Ctrl-C and the like: the first asks what to do, the second leaves at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// Ctrl-C.
    Key,
    /// Somebody, or the machine, wants the program to end.
    Terminate,
}

/// The signals of a program that waits for something.
#[derive(Default)]
pub(crate) struct Interrupts {
    key: Option<Signal>,
    terminate: Option<Signal>,
    hang_up: Option<Signal>,
}

impl Interrupts {
    /// Those that arrive from now on. Until then they end the program, and there is nothing to tidy up.
    pub(crate) fn listen() -> Self {
        // Without a handler, a signal does what it does to any program.
        let listen = |kind| signal(kind).ok();
        Self {
            key: listen(SignalKind::interrupt()),
            terminate: listen(SignalKind::terminate()),
            hang_up: listen(SignalKind::hangup()),
        }
    }

    pub(crate) async fn next(&mut self) -> Interrupt {
        tokio::select! {
            () = received(&mut self.key) => Interrupt::Key,
            () = received(&mut self.terminate) => Interrupt::Terminate,
            () = received(&mut self.hang_up) => Interrupt::Terminate,
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
