//! Compiles a regular expression of a schema into the instructions that `xacct_schema` runs.
//!
//! The sources write for several engines (ECMA, Java, Python). Where these differ, the reading that accepts more is taken, since a
//! template that AWS accepts must never be refused. What cannot be translated (references back to a group, POSIX and intersected
//! classes) is an error: such a pattern is listed and not checked.

use std::iter::Peekable;
use std::vec::IntoIter;

use xacct_schema::layout::op;

/// Code points, sorted, without overlaps.
pub(super) type Ranges = Vec<(u32, u32)>;

/// One instruction before its character set has an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    /// One of [`op`].
    pub(super) op: u32,
    /// The operand beside the operation.
    pub(super) x: u32,
    /// First operand.
    pub(super) a: u32,
    /// Second operand.
    pub(super) b: u32,
    /// The set of an instruction that has one.
    pub(super) set: Option<Ranges>,
}

/// How many nested or successive counted groups a pattern may have.
const MAX_COUNTERS: u32 = 64;
/// How many instructions a pattern may have.
const MAX_INSTRUCTIONS: usize = 4000;
const LAST: u32 = 0x10_FFFF;

/// The instructions of `pattern`, or why it cannot be translated.
pub(super) fn compile(pattern: &str) -> Result<Vec<Instruction>, String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut parser = Parser { chars: chars.into_iter().peekable(), ignore_case: false, dot_all: false };
    let ast = parser.alternatives()?;
    if let Some(rest) = parser.chars.next() {
        return Err(format!("`{rest}` closes nothing"));
    }
    let mut emitter = Emitter::default();
    emitter.emit(&ast)?;
    emitter.push(op::MATCH, 0, 0, 0);
    if emitter.counters > MAX_COUNTERS {
        return Err("too many counted groups".to_owned());
    }
    Ok(emitter.program)
}

#[derive(Clone, Debug)]
enum Ast {
    Empty,
    Set(Ranges),
    Assert(u32),
    Sequence(Vec<Ast>),
    Alternatives(Vec<Ast>),
    Repeat { body: Box<Ast>, least: u32, most: u32 },
    Look { behind: bool, negated: bool, body: Box<Ast> },
}

impl Ast {
    fn nullable(&self) -> bool {
        match self {
            Ast::Empty | Ast::Assert(_) | Ast::Look { .. } => true,
            Ast::Set(_) => false,
            Ast::Sequence(parts) => parts.iter().all(Ast::nullable),
            Ast::Alternatives(parts) => parts.iter().any(Ast::nullable),
            Ast::Repeat { body, least, .. } => *least == 0 || body.nullable(),
        }
    }

    /// How many characters it always takes.
    fn width(&self) -> Option<u32> {
        match self {
            Ast::Empty | Ast::Assert(_) | Ast::Look { .. } => Some(0),
            Ast::Set(_) => Some(1),
            Ast::Sequence(parts) => parts.iter().map(Ast::width).sum(),
            Ast::Alternatives(parts) => {
                let first = parts.first()?.width()?;
                parts.iter().all(|part| part.width() == Some(first)).then_some(first)
            }
            Ast::Repeat { body, least, most, .. } => {
                (least == most).then(|| body.width().map(|width| width * least)).flatten()
            }
        }
    }
}

struct Parser {
    chars: Peekable<IntoIter<char>>,
    ignore_case: bool,
    dot_all: bool,
}

impl Parser {
    fn alternatives(&mut self) -> Result<Ast, String> {
        let mut parts = vec![self.sequence()?];
        while self.chars.next_if_eq(&'|').is_some() {
            parts.push(self.sequence()?);
        }
        let sets: Option<Vec<&Ranges>> = parts
            .iter()
            .map(|part| match part {
                Ast::Set(ranges) => Some(ranges),
                _ => None,
            })
            .collect();
        if let Some(sets) = sets {
            return Ok(Ast::Set(union(sets.into_iter().flatten().copied())));
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Ast::Alternatives(parts) })
    }

    fn sequence(&mut self) -> Result<Ast, String> {
        let mut parts = Vec::new();
        while let Some(&next) = self.chars.peek() {
            if next == '|' || next == ')' {
                break;
            }
            let atom = self.atom()?;
            parts.push(self.quantified(atom)?);
        }
        Ok(match parts.len() {
            0 => Ast::Empty,
            1 => parts.swap_remove(0),
            _ => Ast::Sequence(parts),
        })
    }

    fn atom(&mut self) -> Result<Ast, String> {
        let next = self.chars.next().unwrap_or_default();
        Ok(match next {
            '^' => Ast::Assert(op::START),
            '$' => Ast::Assert(op::END),
            '.' if self.dot_all => Ast::Set(vec![(0, LAST)]),
            '.' => Ast::Set(complement(&[(10, 10)])),
            '(' => self.group()?,
            '[' => Ast::Set(self.class()?),
            '\\' => self.escape()?,
            '*' | '+' | '?' => return Err(format!("`{next}` repeats nothing")),
            other => self.character(other as u32),
        })
    }

    fn character(&self, code: u32) -> Ast {
        Ast::Set(self.cased(vec![(code, code)]))
    }

    fn cased(&self, ranges: Ranges) -> Ranges {
        if !self.ignore_case {
            return ranges;
        }
        let mut all = ranges.clone();
        for (first, last) in ranges {
            for (from, to, shift) in [(65, 90, 32i64), (97, 122, -32)] {
                let (low, high) = (first.max(from), last.min(to));
                if low <= high {
                    let moved = |code: u32| (i64::from(code) + shift) as u32;
                    all.push((moved(low), moved(high)));
                }
            }
        }
        union(all)
    }

    fn group(&mut self) -> Result<Ast, String> {
        let (ignore_case, dot_all) = (self.ignore_case, self.dot_all);
        let mut look = None;
        if self.chars.next_if_eq(&'?').is_some() {
            match self.chars.next() {
                Some(':') => {}
                Some('=') => look = Some((false, false)),
                Some('!') => look = Some((false, true)),
                Some('<') => match self.chars.next() {
                    Some('=') => look = Some((true, false)),
                    Some('!') => look = Some((true, true)),
                    _ => while self.chars.next().is_some_and(|c| c != '>') {},
                },
                Some('P') => while self.chars.next().is_some_and(|c| c != '>') {},
                Some(flag) => return self.flags(flag, ignore_case, dot_all),
                None => return Err("a group is not closed".to_owned()),
            }
        }
        let body = self.alternatives()?;
        if self.chars.next() != Some(')') {
            return Err("a group is not closed".to_owned());
        }
        (self.ignore_case, self.dot_all) = (ignore_case, dot_all);
        Ok(match look {
            Some((behind, negated)) => Ast::Look { behind, negated, body: Box::new(body) },
            None => body,
        })
    }

    /// `(?i)` holds up to the end of the group around it, `(?i:…)` in itself.
    fn flags(&mut self, first: char, ignore_case: bool, dot_all: bool) -> Result<Ast, String> {
        let mut flag = first;
        loop {
            match flag {
                'i' => self.ignore_case = true,
                's' => self.dot_all = true,
                ')' => return Ok(Ast::Empty),
                ':' => {
                    let body = self.alternatives()?;
                    (self.ignore_case, self.dot_all) = (ignore_case, dot_all);
                    return match self.chars.next() {
                        Some(')') => Ok(body),
                        _ => Err("a group is not closed".to_owned()),
                    };
                }
                other => return Err(format!("flag `{other}`")),
            }
            flag = self.chars.next().unwrap_or_default();
        }
    }

    fn quantified(&mut self, atom: Ast) -> Result<Ast, String> {
        let mut ast = atom;
        loop {
            let (least, most) = match self.chars.peek() {
                Some('*') => (0, u32::MAX),
                Some('+') => (1, u32::MAX),
                Some('?') => (0, 1),
                Some('{') => match self.bounds() {
                    Some(bounds) => bounds,
                    None => return Ok(ast),
                },
                _ => return Ok(ast),
            };
            self.chars.next();
            // Which repetition comes first does not change whether there is a match.
            if self.chars.next_if_eq(&'?').is_none() {
                self.chars.next_if_eq(&'+');
            }
            if least > most {
                return Err("a repetition ends before it starts".to_owned());
            }
            ast = Ast::Repeat { body: Box::new(ast), least, most };
        }
    }

    /// `{3}`, `{3,}`, `{3,5}`, `{,5}`, up to but without the closing brace; anything else is an ordinary brace.
    fn bounds(&mut self) -> Option<(u32, u32)> {
        let mut ahead = self.chars.clone();
        ahead.next();
        let text: String = ahead.by_ref().take_while(|c| *c != '}').collect();
        let rest_matches = self.chars.clone().any(|c| c == '}');
        let text = text.replace(' ', "");
        let (least, most) = text.split_once(',').unwrap_or((&text, &text));
        if !rest_matches || text.is_empty() || text == "," {
            return None;
        }
        let least = if least.is_empty() { 0 } else { least.parse().ok()? };
        let most = if most.is_empty() { u32::MAX } else { most.parse().ok()? };
        while self.chars.peek().is_some_and(|c| *c != '}') {
            self.chars.next();
        }
        Some((least, most))
    }

    fn escape(&mut self) -> Result<Ast, String> {
        let next = self.chars.next().ok_or("ends in a backslash")?;
        Ok(match next {
            'b' => Ast::Assert(op::WORD_BOUNDARY),
            'B' => Ast::Assert(op::NO_WORD_BOUNDARY),
            'A' => Ast::Assert(op::START),
            'Z' | 'z' => Ast::Assert(op::END),
            '1'..='9' => return Err("refers back to a group".to_owned()),
            other => {
                let set = self.escaped_set(other)?;
                Ast::Set(self.cased(set))
            }
        })
    }

    /// The set of an escape that means the same in and outside of a class.
    fn escaped_set(&mut self, escaped: char) -> Result<Ranges, String> {
        Ok(match escaped {
            'd' => vec![(48, 57)],
            'D' => complement(&[(48, 57)]),
            'w' => word(),
            'W' => complement(&[(48, 57), (65, 90), (95, 95), (97, 122)]),
            's' => space(),
            'S' => complement(&[(9, 13), (32, 32)]),
            't' => vec![(9, 9)],
            'n' => vec![(10, 10)],
            'v' => vec![(11, 11)],
            'f' => vec![(12, 12)],
            'r' => vec![(13, 13)],
            'a' => vec![(7, 7)],
            '0' => vec![(0, 0)],
            'x' => self.code(2)?,
            'u' => self.code(4)?,
            'p' | 'P' => self.category(escaped == 'P')?,
            other if other.is_ascii_alphanumeric() => return Err(format!("escape `\\{other}`")),
            other => vec![(other as u32, other as u32)],
        })
    }

    fn code(&mut self, digits: usize) -> Result<Ranges, String> {
        let text: String = if self.chars.next_if_eq(&'{').is_some() {
            self.chars.by_ref().take_while(|c| *c != '}').collect()
        } else {
            self.chars.by_ref().take(digits).collect()
        };
        let code = u32::from_str_radix(&text, 16).map_err(|_| format!("code `{text}`"))?;
        Ok(vec![(code, code)])
    }

    fn category(&mut self, negated: bool) -> Result<Ranges, String> {
        let name: String = match self.chars.next() {
            Some('{') => self.chars.by_ref().take_while(|c| *c != '}').collect(),
            Some(one) => one.to_string(),
            None => return Err("ends in a category".to_owned()),
        };
        let ranges = match name.as_str() {
            "Print" => complement(&[(0, 31), (127, 159)]),
            "Graph" => complement(&[(0, 32), (127, 160)]),
            _ => unicode(&name)?,
        };
        Ok(if negated { complement(&ranges) } else { ranges })
    }

    fn class(&mut self) -> Result<Ranges, String> {
        let negated = self.chars.next_if_eq(&'^').is_some();
        let mut ranges = Ranges::new();
        let mut first = true;
        loop {
            let next = self.chars.next().ok_or("a class is not closed")?;
            match next {
                ']' if !first => break,
                '[' if self.chars.peek() == Some(&':') && self.closes_posix() => {
                    return Err("POSIX class".to_owned());
                }
                '&' if self.chars.peek() == Some(&'&') => {
                    return Err("intersected classes".to_owned());
                }
                _ => {}
            }
            first = false;
            let low = self.class_item(next)?;
            let one = match low.as_slice() {
                [(from, to)] if from == to => Some(*from),
                _ => None,
            };
            if let Some(from) = one
                && self.chars.peek() == Some(&'-')
            {
                self.chars.next();
                match self.chars.next() {
                    Some(']') => {
                        ranges.extend([(from, from), (45, 45)]);
                        break;
                    }
                    Some(end) => {
                        let high = self.class_item(end)?;
                        match high.as_slice() {
                            [(to, last)] if to == last && *to >= from => ranges.push((from, *to)),
                            [(to, last)] if to == last => {
                                return Err("a range ends before it starts".to_owned());
                            }
                            _ => {
                                ranges.extend([(from, from), (45, 45)]);
                                ranges.extend(high);
                            }
                        }
                    }
                    None => return Err("a class is not closed".to_owned()),
                }
            } else {
                ranges.extend(low);
            }
        }
        let ranges = self.cased(union(ranges));
        Ok(if negated { complement(&ranges) } else { ranges })
    }

    fn closes_posix(&self) -> bool {
        let rest: String = self.chars.clone().skip(1).take(12).collect();
        rest.split_once(":]").is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_lowercase()))
    }

    fn class_item(&mut self, next: char) -> Result<Ranges, String> {
        if next != '\\' {
            return Ok(vec![(next as u32, next as u32)]);
        }
        match self.chars.next() {
            Some('b') => Ok(vec![(8, 8)]),
            Some(escaped) => self.escaped_set(escaped),
            None => Err("ends in a backslash".to_owned()),
        }
    }
}

fn word() -> Ranges {
    let mut ranges = vec![(95, 95)];
    for name in ["L", "N", "M"] {
        ranges.extend(unicode(name).unwrap_or_default());
    }
    union(ranges)
}

fn space() -> Ranges {
    let mut ranges = vec![(9, 13), (28, 32), (0x85, 0x85)];
    ranges.extend(unicode("Z").unwrap_or_default());
    union(ranges)
}

fn unicode(name: &str) -> Result<Ranges, String> {
    use regex_syntax::hir::{Class, HirKind};
    let hir = regex_syntax::parse(&format!("\\p{{{name}}}")).map_err(|_| format!("character category `{name}`"))?;
    Ok(match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            class.ranges().iter().map(|range| (range.start() as u32, range.end() as u32)).collect()
        }
        HirKind::Class(Class::Bytes(class)) => {
            class.ranges().iter().map(|range| (u32::from(range.start()), u32::from(range.end()))).collect()
        }
        _ => return Err(format!("character category `{name}`")),
    })
}

fn union(ranges: impl IntoIterator<Item = (u32, u32)>) -> Ranges {
    let mut sorted: Ranges = ranges.into_iter().collect();
    sorted.sort_unstable();
    let mut merged: Ranges = Vec::new();
    for (first, last) in sorted {
        match merged.last_mut() {
            Some(previous) if first <= previous.1.saturating_add(1) => {
                previous.1 = previous.1.max(last);
            }
            _ => merged.push((first, last)),
        }
    }
    merged
}

fn complement(ranges: &[(u32, u32)]) -> Ranges {
    let mut free = Ranges::new();
    let mut next = 0;
    for &(first, last) in ranges {
        if first > next {
            free.push((next, first - 1));
        }
        next = last + 1;
    }
    if next <= LAST {
        free.push((next, LAST));
    }
    free
}

#[derive(Default)]
struct Emitter {
    program: Vec<Instruction>,
    counters: u32,
}

impl Emitter {
    fn push(&mut self, op: u32, x: u32, a: u32, b: u32) -> usize {
        self.program.push(Instruction { op, x, a, b, set: None });
        self.program.len() - 1
    }

    fn here(&self) -> u32 {
        self.program.len() as u32
    }

    fn emit(&mut self, ast: &Ast) -> Result<(), String> {
        if self.program.len() > MAX_INSTRUCTIONS {
            return Err("too long".to_owned());
        }
        match ast {
            Ast::Empty => {}
            Ast::Set(ranges) => match ranges.as_slice() {
                [(first, last)] if first == last => {
                    self.push(op::CHAR, 0, *first, 0);
                }
                _ => {
                    let at = self.push(op::SET, 0, 0, 0);
                    self.program[at].set = Some(ranges.clone());
                }
            },
            Ast::Assert(kind) => {
                self.push(*kind, 0, 0, 0);
            }
            Ast::Sequence(parts) => {
                for part in parts {
                    self.emit(part)?;
                }
            }
            Ast::Alternatives(parts) => self.emit_alternatives(parts)?,
            Ast::Repeat { body, least, most } => self.emit_repeat(body, *least, *most)?,
            Ast::Look { behind, negated, body } => {
                let width = if *behind { body.width().ok_or("looks behind for a varying length")? } else { 0 };
                let code = if *behind { op::LOOK_BEHIND } else { op::LOOK_AHEAD };
                let at = self.push(code, width, 0, u32::from(*negated));
                self.emit(body)?;
                self.push(op::MATCH, 0, 0, 0);
                self.program[at].a = self.here();
            }
        }
        Ok(())
    }

    fn emit_alternatives(&mut self, parts: &[Ast]) -> Result<(), String> {
        let mut jumps = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let last = index + 1 == parts.len();
            let split = (!last).then(|| self.push(op::SPLIT, 0, 0, 0));
            if let Some(split) = split {
                self.program[split].a = self.here();
            }
            self.emit(part)?;
            if let Some(split) = split {
                jumps.push(self.push(op::JUMP, 0, 0, 0));
                self.program[split].b = self.here();
            }
        }
        for jump in jumps {
            self.program[jump].a = self.here();
        }
        Ok(())
    }

    fn emit_repeat(&mut self, body: &Ast, least: u32, most: u32) -> Result<(), String> {
        if (least, most) == (1, 1) {
            return self.emit(body);
        }
        if let Ast::Set(ranges) = body {
            let at = self.push(op::REPEAT_SET, 0, least, most);
            self.program[at].set = Some(ranges.clone());
            return Ok(());
        }
        if (least, most) == (0, 1) {
            let split = self.push(op::SPLIT, 0, 0, 0);
            self.program[split].a = self.here();
            self.emit(body)?;
            self.program[split].b = self.here();
            return Ok(());
        }
        if most == u32::MAX && least <= 1 && !body.nullable() {
            return self.emit_loop(body, least);
        }
        let counter = self.counters;
        self.counters += 1;
        self.push(op::COUNTER, counter, 0, 0);
        let top = self.push(op::LOOP, counter, least, most);
        let exit = self.push(op::LOOP_EXIT, 0, 0, 0);
        self.emit(body)?;
        self.push(op::JUMP, 0, top as u32, 0);
        self.program[exit].a = self.here();
        Ok(())
    }

    /// `*` and `+` of what always takes a character need no counter.
    fn emit_loop(&mut self, body: &Ast, least: u32) -> Result<(), String> {
        if least == 1 {
            let top = self.here();
            self.emit(body)?;
            let leave = self.here() + 1;
            self.push(op::SPLIT, 0, top, leave);
            return Ok(());
        }
        let split = self.push(op::SPLIT, 0, 0, 0);
        self.program[split].a = self.here();
        self.emit(body)?;
        self.push(op::JUMP, 0, split as u32, 0);
        self.program[split].b = self.here();
        Ok(())
    }
}
