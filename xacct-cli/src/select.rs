//! Stacks by name or pattern.

use xacct_core::Assembly;
use xacct_core::assembly::StackArtifact;

use crate::exit::Exit;
use crate::problem::{Failure, Problem};

/// The stacks that any of the patterns names, in the order of deployment; all of them if there are no patterns.
pub(crate) fn select<'a>(assembly: &'a Assembly, patterns: &[String]) -> Result<Vec<&'a StackArtifact>, Failure> {
    let unknown: Vec<Problem> = patterns
        .iter()
        .filter(|pattern| !assembly.stacks.iter().any(|stack| is_named(stack, pattern)))
        .map(|pattern| unknown(assembly, pattern))
        .collect();
    if !unknown.is_empty() {
        return Err(Failure { exit: Exit::Usage, problems: unknown });
    }
    let wanted = |stack: &&StackArtifact| patterns.is_empty() || patterns.iter().any(|it| is_named(stack, it));
    Ok(assembly.stacks.iter().filter(wanted).collect())
}

fn is_named(stack: &StackArtifact, pattern: &str) -> bool {
    [&stack.display_name, &stack.stack_name, &stack.id].into_iter().any(|name| matches(pattern, name))
}

fn unknown(assembly: &Assembly, pattern: &str) -> Problem {
    let message = if pattern.contains(['*', '?']) {
        format!("no stack matches `{pattern}`")
    } else {
        format!("there is no stack `{pattern}`")
    };
    let problem = Problem::error(message).code("unknown-stack");
    problem.help_nearest(pattern, assembly.stacks.iter().map(|it| it.display_name.as_str()))
}

/// Whether the whole name fits the pattern: `*` stands for any characters, `?` for one.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where the last star is, and how far into the name it reaches so far.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&it) if it == '?' || it == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, reach)) = star else { return false };
                star = Some((at, reach + 1));
                p = at + 1;
                n = reach + 1;
            }
        }
    }
    pattern[p..].iter().all(|it| *it == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("Tools", "Tools", true),
            ("Tools", "Tools2", false),
            ("tools", "Tools", false),
            ("*", "", true),
            ("*", "Prod/Tools", true),
            ("Prod/*", "Prod/Tools", true),
            ("*-eu-*-1", "App-eu-west-1", true),
            ("*-eu-*-1", "App-eu-west-2", false),
            ("To?ls", "Tools", true),
            ("To?ls", "Tols", false),
            ("a*b*c", "abbbcbc", true),
            ("a*b*c", "abbbcb", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
