//! The command line, through the real binary of a small app.

mod command_line;
mod deploying;
mod support;
mod terminal;
