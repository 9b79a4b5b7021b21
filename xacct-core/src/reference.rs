//! References from one stack into another: how they are made, where no physical name resolves them.

/// How a reference to a resource of another stack reaches it.
///
/// A resource whose name is known, or can be made, is written down by name and needs none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReferenceStrategy {
    /// An output there, a parameter here, which the deploy engine fills. Works across accounts and regions, needs no
    /// role, and never locks the producer. The template is not complete without the engine.
    Parameter,
    /// `Fn::GetStackOutput`: the template is complete in itself, and CloudFormation reads the other stack's output while
    /// it deploys. Across accounts, a role that may only read that stack is added to the producer.
    GetStackOutput,
    /// `Fn::ImportValue`: only within one account and region. The producer cannot change or lose the output while it is used.
    Export,
}
