//! Names: whether AWS takes one, and the one that a construct gives itself where it needs to know it before AWS would make it.

use xacct_core::{Construct, Diagnostic, Node, name};

/// What a service takes as a name.
pub(crate) struct NameRule {
    /// What is named, as in `a role name`.
    pub(crate) what: &'static str,
    pub(crate) length: std::ops::RangeInclusive<usize>,
    /// The characters besides letters and digits.
    pub(crate) besides: &'static str,
}

impl NameRule {
    /// Reports a name that AWS would refuse, at the caller's place.
    #[track_caller]
    pub(crate) fn check(&self, node: &Node, name: &str) {
        if let Some(diagnostic) = self.diagnostic(name) {
            node.report(diagnostic);
        }
    }

    /// The name, unless AWS would refuse it: then that is reported, and the construct goes on as if it had been given none.
    /// So the schema has no reason to report the same again for the resource.
    #[track_caller]
    pub(crate) fn accepted(&self, node: &Node, name: Option<String>) -> Option<String> {
        let Some(diagnostic) = name.as_deref().and_then(|it| self.diagnostic(it)) else { return name };
        node.report(diagnostic);
        None
    }

    /// What is wrong with a name that AWS would refuse.
    pub(crate) fn diagnostic(&self, name: &str) -> Option<Diagnostic> {
        Some(refused(self.what, name, &self.problem(name)?, &self.help()))
    }

    fn problem(&self, name: &str) -> Option<String> {
        let length = name.chars().count();
        if !self.length.contains(&length) {
            return Some(format!("it has {length} characters"));
        }
        let stranger = name.chars().find(|it| !it.is_ascii_alphanumeric() && !self.besides.contains(*it))?;
        Some(format!("it contains `{stranger}`"))
    }

    fn help(&self) -> String {
        let (shortest, longest) = (self.length.start(), self.length.end());
        let besides: Vec<String> = self.besides.chars().map(|it| format!("`{it}`")).collect();
        let besides =
            if besides.is_empty() { String::new() } else { format!(", and the characters {}", besides.join(" ")) };
        format!("use {shortest} to {longest} letters and digits{besides}")
    }
}

/// Reports that a name is refused.
#[track_caller]
pub(crate) fn report(node: &Node, what: &str, name: &str, problem: &str, help: &str) {
    node.report(refused(what, name, problem, help));
}

fn refused(what: &str, name: &str, problem: &str, help: &str) -> Diagnostic {
    Diagnostic::error("invalid-name", format!("`{name}` cannot be {what}: {problem}")).help(help)
}

/// The ids below the stack, down to the construct's own.
fn ids_below_stack(node: &Node) -> Vec<String> {
    let stack = node.stack().map(|it| it.path()).unwrap_or_default();
    let path = node.path();
    let below = path.strip_prefix(&stack).unwrap_or(&path).trim_start_matches('/');
    below.split('/').map(str::to_owned).collect()
}

/// A name that is unique in the stack: the logical id that a resource at this place would get.
pub(crate) fn unique_id(construct: &dyn Construct) -> String {
    let ids = ids_below_stack(construct.node());
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    name::logical_id(&ids).unwrap_or_default()
}

/// A physical name for a construct whose own policies must name it: the same for the same path, stack and environment.
pub(crate) fn generated(node: &Node, longest: usize) -> String {
    let (Some(environment), Some(stack_name)) = (node.environment(), node.stack_name()) else { return String::new() };
    let path = node.path();
    let ids: Vec<&str> = path.split('/').collect();
    let name = name::physical_name(&stack_name, &ids, &environment);
    name[name.len().saturating_sub(longest)..].to_owned()
}
