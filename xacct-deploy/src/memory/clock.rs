//! The virtual clock.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Where time comes from.
#[derive(Debug)]
pub(super) enum Clock {
    /// Tokio's clock, so many times as fast. Under a paused Tokio clock, time passes only while everybody sleeps.
    Tokio { start: Instant, speed: f64 },
    /// Time passes when somebody says so.
    Manual(Mutex<Duration>),
}

impl Clock {
    /// Milliseconds since the world was made.
    pub(super) fn elapsed(&self) -> i64 {
        let elapsed = match self {
            Self::Tokio { start, speed } => start.elapsed().mul_f64(*speed),
            Self::Manual(elapsed) => *lock(elapsed),
        };
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX / 4)
    }
}

/// A mutex that a panicking test has poisoned is as good as before: no code from outside runs under it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
