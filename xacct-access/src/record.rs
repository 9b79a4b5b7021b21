//! Why an answer is `Maybe`: collected only when somebody wants to read it.

use crate::decision::Reason;

/// Receives the reasons while statements are matched. The silent one compiles to nothing.
pub(crate) trait Record {
    fn unknown(&mut self, reason: impl FnOnce() -> Reason);
    /// A point to [`rewind`](Record::rewind) to when the answer turned out certain.
    fn mark(&self) -> usize;
    fn rewind(&mut self, mark: usize);
}

pub(crate) struct Silent;

impl Record for Silent {
    #[inline(always)]
    fn unknown(&mut self, _: impl FnOnce() -> Reason) {}
    #[inline(always)]
    fn mark(&self) -> usize {
        0
    }
    #[inline(always)]
    fn rewind(&mut self, _: usize) {}
}

impl Record for Vec<Reason> {
    fn unknown(&mut self, reason: impl FnOnce() -> Reason) {
        let reason = reason();
        if !self.contains(&reason) {
            self.push(reason);
        }
    }
    fn mark(&self) -> usize {
        self.len()
    }
    fn rewind(&mut self, mark: usize) {
        self.truncate(mark);
    }
}
