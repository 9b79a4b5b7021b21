//! The engine against a CloudFormation that says what the test wants it to say.

mod double;
mod interruption;
mod operations;
mod preflight;
mod stack_states;
mod trouble;
