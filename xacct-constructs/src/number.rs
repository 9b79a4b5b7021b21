//! Numbers: whether AWS takes one.

use std::ops::RangeInclusive;

use xacct_core::{Diagnostic, Node};

/// What a service takes as a number.
pub(crate) struct NumberRule {
    /// What is counted, as in `the timeout of a build`.
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) range: RangeInclusive<i64>,
}

impl NumberRule {
    /// The number, unless AWS would refuse it: then that is reported, and the construct goes on as if it had been given none.
    #[track_caller]
    pub(crate) fn accepted(&self, node: &Node, number: Option<i64>) -> Option<i64> {
        let Some(refused) = number.filter(|it| !self.range.contains(it)) else { return number };
        let (what, unit, least, most) = (self.what, self.unit, self.range.start(), self.range.end());
        node.report(
            Diagnostic::error("out-of-range", format!("{what} cannot be {refused} {unit}"))
                .help(format!("give it {least} to {most} {unit}")),
        );
        None
    }
}
