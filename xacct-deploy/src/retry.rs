//! Repeats calls that are worth it, with growing pauses.
//!
//! Every request of the engine goes through [`Caller::call`], which counts it, tells about failures, and pauses between
//! attempts by "full jitter" exponential back-off with a cap. Throttling and outages are waited out for long, because a deploy
//! that has begun should end; accounts and keys that are too new are waited for as long as AWS usually takes.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::cloudformation::ApiError;
use crate::error::Retry;
use crate::event::Event;
use crate::run::Emitter;

/// How calls are repeated.
#[derive(Clone)]
pub struct RetryPolicy {
    /// The upper bound of the first pause; it doubles each time.
    pub base: Duration,
    /// The longest pause.
    pub cap: Duration,
    /// How long a call that is throttled, or meets server errors or broken connections, is repeated.
    pub give_up_after: Duration,
    /// How long a call is repeated in an account, or with keys, too new to be known everywhere.
    pub not_yet_for: Duration,
    /// A number from 0 up to 1 that scales a pause. Tests give a constant.
    pub jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(500),
            cap: Duration::from_secs(20),
            give_up_after: Duration::from_secs(600),
            not_yet_for: Duration::from_secs(120),
            jitter: Arc::new(random_fraction),
        }
    }
}

impl RetryPolicy {
    /// The same, for questions that somebody waits for: what does not work within half a minute is told.
    pub(crate) fn brief(&self) -> Self {
        Self {
            give_up_after: self.give_up_after.min(Duration::from_secs(30)),
            not_yet_for: self.not_yet_for.min(Duration::from_secs(20)),
            ..self.clone()
        }
    }

    /// The pause after the given number of failures (from 1): at least a tenth of the bound, so that it is never none.
    fn pause(&self, failures: u32) -> Duration {
        let doubled = self.base.saturating_mul(1u32.checked_shl(failures - 1).unwrap_or(u32::MAX));
        let bound = doubled.min(self.cap);
        bound.mul_f64(0.1 + 0.9 * (self.jitter)().clamp(0.0, 1.0))
    }
}

/// The standard library seeds each `RandomState` anew; that is random enough to spread retries.
fn random_fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1u64 << 53) as f64
}

/// Makes calls on behalf of a stack or an asset.
#[derive(Clone)]
pub(crate) struct Caller {
    subject: String,
    policy: RetryPolicy,
    emitter: Emitter,
    counts: CallCounts,
}

/// How many requests were made, by operation. Shared by all callers of a run.
#[derive(Clone, Default)]
pub(crate) struct CallCounts(Arc<Mutex<BTreeMap<String, u64>>>);

impl CallCounts {
    fn add(&self, operation: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(operation.to_owned()).or_default() += 1;
    }

    pub(crate) fn snapshot(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Caller {
    pub(crate) fn new(subject: &str, policy: RetryPolicy, emitter: Emitter, counts: CallCounts) -> Self {
        Self { subject: subject.to_owned(), policy, emitter, counts }
    }

    /// Makes a call, and again while that is worth it.
    pub(crate) async fn call<T, F>(&self, operation: &str, mut request: impl FnMut() -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let mut failures = 0;
        // Time without an answer counts as much as pauses.
        let started = tokio::time::Instant::now();
        loop {
            self.counts.add(operation);
            let error = match request().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let bound = match error.retry() {
                Retry::No => return Err(error),
                Retry::Throttled | Retry::Transient => self.policy.give_up_after,
                Retry::NotYet => self.policy.not_yet_for,
            };
            failures += 1;
            let delay = self.policy.pause(failures);
            if started.elapsed() + delay > bound {
                return Err(error);
            }
            self.emitter.emit(Event::Retrying {
                subject: self.subject.clone(),
                operation: error.operation.to_owned(),
                error: error.to_string(),
                attempt: failures,
                delay,
            });
            tokio::time::sleep(delay).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy(jitter: f64) -> RetryPolicy {
        RetryPolicy { jitter: Arc::new(move || jitter), ..RetryPolicy::default() }
    }

    async fn failures_until_given_up(error: ApiError) -> (u32, Duration) {
        let caller = Caller::new("S", policy(1.0), Emitter::sink(), CallCounts::default());
        let start = tokio::time::Instant::now();
        let mut calls = 0;
        let result: Result<(), _> = caller
            .call("X", || {
                calls += 1;
                let error = error.clone();
                async move { Err(error) }
            })
            .await;
        assert!(result.is_err());
        (calls, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_is_waited_out_for_long() {
        let throttled = ApiError::service("X", "Throttling", "Rate exceeded");
        let (calls, time) = failures_until_given_up(throttled).await;
        assert!(calls > 20, "{calls} calls");
        assert!(time > Duration::from_secs(500) && time <= Duration::from_secs(600));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_account_is_waited_for_within_bounds() {
        let (calls, time) = failures_until_given_up(ApiError::service("X", "OptInRequired", "")).await;
        assert!((5..20).contains(&calls), "{calls} calls");
        assert!(time <= Duration::from_secs(120));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_not_repeated() {
        let denied = ApiError::service("X", "AccessDenied", "");
        assert_eq!(failures_until_given_up(denied).await.0, 1);
    }

    proptest! {
        #[test]
        fn a_pause_is_never_none_and_never_over_the_cap(failures in 1u32..200, jitter in 0.0..1.0f64) {
            let pause = policy(jitter).pause(failures);
            prop_assert!(pause >= Duration::from_millis(50));
            prop_assert!(pause <= Duration::from_secs(20));
        }
    }
}
