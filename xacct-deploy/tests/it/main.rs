//! The engine against a CloudFormation that says what the test wants it to say, and against the one in memory.

mod double;
mod flow;
mod interruption;
mod killed;
mod operations;
mod preflight;
mod scale;
mod stack_states;
mod trouble;
mod world;
