//! Matches text against the regular expressions of the schemas, which the generator has translated into instructions.
//!
//! The matcher goes back to earlier choices, so it has a limit: a text that takes longer is taken to match.

use crate::layout::{self, op};
use crate::table::{string, word};

/// How many instructions a match may run.
const STEPS: u32 = 100_000;

/// A pattern by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(pub(crate) u32);

impl Pattern {
    /// The regular expression.
    pub(crate) fn source(self) -> &'static str {
        string(self.field(0))
    }

    /// Whether it is found in `text`; also true if that is too hard to say.
    pub(crate) fn matches(self, text: &str) -> bool {
        let (first, count) = (self.field(1), self.field(2));
        if count == 0 {
            return true;
        }
        let mut search = Search { text, first: first as usize, steps: STEPS };
        let mut start = 0;
        loop {
            match search.run(0, start) {
                Some(false) => {}
                Some(true) | None => return true,
            }
            if search.instruction(0)[0] & 255 == op::START {
                return false;
            }
            match text[start..].chars().next() {
                Some(skipped) => start += skipped.len_utf8(),
                None => return false,
            }
        }
    }

    fn field(self, field: usize) -> u32 {
        word(layout::PATTERNS, self.0 as usize * 3 + field)
    }
}

struct Search<'t> {
    text: &'t str,
    first: usize,
    steps: u32,
}

enum Frame {
    /// Continue there.
    Branch { at: usize, position: usize },
    /// Continue after a repeated set with one character less, as long as there are more than `least`.
    Shorter { at: usize, least: usize, position: usize },
    /// Undo a change of a counter.
    Counter { index: usize, value: (u32, usize) },
}

impl Search<'_> {
    /// Whether the program from `at` on matches at `position`; none if that takes too long.
    fn run(&mut self, at: usize, position: usize) -> Option<bool> {
        let (mut at, mut position) = (at, position);
        let mut frames: Vec<Frame> = Vec::new();
        let mut counters: Vec<(u32, usize)> = Vec::new();
        loop {
            self.steps = self.steps.checked_sub(1)?;
            let [head, a, b] = self.instruction(at);
            let x = (head >> 8) as usize;
            let next = match head & 255 {
                op::MATCH => return Some(true),
                op::CHAR => self.take(position, |c| c as u32 == a).map(|p| (at + 1, p)),
                op::SET => self.take(position, |c| in_set(a, c)).map(|p| (at + 1, p)),
                op::REPEAT_SET => self.repeat(x as u32, a, b, at, position, &mut frames),
                op::START => (position == 0).then_some((at + 1, position)),
                op::END => self.is_end(position).then_some((at + 1, position)),
                op::WORD_BOUNDARY => self.is_boundary(position).then_some((at + 1, position)),
                op::NO_WORD_BOUNDARY => (!self.is_boundary(position)).then_some((at + 1, position)),
                op::SPLIT => {
                    frames.push(Frame::Branch { at: b as usize, position });
                    Some((a as usize, position))
                }
                op::JUMP => Some((a as usize, position)),
                op::LOOK_AHEAD => {
                    let found = self.run(at + 1, position)?;
                    (found != (b == 1)).then_some((a as usize, position))
                }
                op::LOOK_BEHIND => {
                    let found = match self.back(position, x) {
                        Some(start) => self.run(at + 1, start)?,
                        None => false,
                    };
                    (found != (b == 1)).then_some((a as usize, position))
                }
                op::COUNTER => {
                    if counters.len() <= x {
                        counters.resize(x + 1, (0, usize::MAX));
                    }
                    frames.push(Frame::Counter { index: x, value: counters[x] });
                    counters[x] = (0, usize::MAX);
                    Some((at + 1, position))
                }
                op::LOOP => {
                    let [_, leave, _] = self.instruction(at + 1);
                    let (count, before) = counters[x];
                    let leave = leave as usize;
                    // A round that took nothing would take nothing for ever.
                    if count >= b || before == position {
                        (count >= a || before == position).then_some((leave, position))
                    } else {
                        if count >= a {
                            frames.push(Frame::Branch { at: leave, position });
                        }
                        frames.push(Frame::Counter { index: x, value: counters[x] });
                        counters[x] = (count + 1, position);
                        Some((at + 2, position))
                    }
                }
                _ => None,
            };
            (at, position) = match next {
                Some(next) => next,
                None => match self.backtrack(&mut frames, &mut counters) {
                    Some(next) => next,
                    None => return Some(false),
                },
            };
        }
    }

    fn backtrack(&self, frames: &mut Vec<Frame>, counters: &mut [(u32, usize)]) -> Option<(usize, usize)> {
        loop {
            match frames.pop()? {
                Frame::Branch { at, position } => return Some((at, position)),
                Frame::Shorter { at, least, position } => {
                    let shorter = self.back(position, 1)?;
                    if shorter > least {
                        frames.push(Frame::Shorter { at, least, position: shorter });
                    }
                    return Some((at, shorter));
                }
                Frame::Counter { index, value } => counters[index] = value,
            }
        }
    }

    /// Takes as many characters as there are, and remembers that fewer may do.
    fn repeat(
        &mut self,
        set: u32,
        least: u32,
        most: u32,
        at: usize,
        position: usize,
        frames: &mut Vec<Frame>,
    ) -> Option<(usize, usize)> {
        let mut end = position;
        let mut floor = position;
        let mut count = 0;
        let ascii = ascii_of(set);
        for character in self.text[position..].chars() {
            let code = character as usize;
            let taken = if code < 128 { ascii[code / 32] & (1 << (code % 32)) != 0 } else { in_set(set, character) };
            if count == most || !taken {
                break;
            }
            count += 1;
            end += character.len_utf8();
            if count <= least {
                floor = end;
            }
        }
        self.steps = self.steps.saturating_sub(count / 8);
        if count < least {
            return None;
        }
        if end > floor && !self.wants_all(at + 1, end, &ascii) {
            frames.push(Frame::Shorter { at: at + 1, least: floor, position: end });
        }
        Some((at + 1, end))
    }

    /// Whether the instruction after a repeated set is sure to fail after fewer of its characters.
    fn wants_all(&self, at: usize, end: usize, ascii: &[u32; 4]) -> bool {
        let [head, a, _] = self.instruction(at);
        match head & 255 {
            // The text is over, and so is the pattern.
            op::END => end == self.text.len() && self.instruction(at + 1)[0] & 255 == op::MATCH,
            // What is given back is of the set, and this character is not.
            op::CHAR => a < 128 && ascii[a as usize / 32] & (1 << (a % 32)) == 0,
            _ => false,
        }
    }

    fn instruction(&self, at: usize) -> [u32; 3] {
        let index = (self.first + at) * 3;
        [0, 1, 2].map(|part| word(layout::INSTRUCTIONS, index + part))
    }

    fn take(&self, position: usize, wanted: impl Fn(char) -> bool) -> Option<usize> {
        let next = self.text[position..].chars().next()?;
        wanted(next).then(|| position + next.len_utf8())
    }

    fn back(&self, position: usize, characters: usize) -> Option<usize> {
        let mut before = self.text[..position].chars();
        let mut start = position;
        for _ in 0..characters {
            start -= before.next_back()?.len_utf8();
        }
        Some(start)
    }

    fn is_end(&self, position: usize) -> bool {
        matches!(&self.text[position..], "" | "\n")
    }

    fn is_boundary(&self, position: usize) -> bool {
        let is_word = |c: char| c == '_' || c.is_alphanumeric();
        let before = self.text[..position].chars().next_back();
        let after = self.text[position..].chars().next();
        before.is_some_and(is_word) != after.is_some_and(is_word)
    }
}

/// A bit for each ASCII character of a set.
fn ascii_of(set: u32) -> [u32; 4] {
    [0, 1, 2, 3].map(|part| word(layout::SETS, set as usize * 6 + part))
}

fn in_set(set: u32, character: char) -> bool {
    let at = set as usize * 6;
    let code = character as u32;
    if code < 128 {
        return word(layout::SETS, at + code as usize / 32) & (1 << (code % 32)) != 0;
    }
    let first = word(layout::SETS, at + 4);
    let count = word(layout::SETS, at + 5);
    (first..first + count).any(|range| {
        let range = range as usize * 2;
        word(layout::RANGES, range) <= code && code <= word(layout::RANGES, range + 1)
    })
}
