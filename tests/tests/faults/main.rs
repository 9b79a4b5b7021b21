//! The deploy engine with the real SDK, against a real emulator, through a proxy that breaks calls: whatever call breaks in whatever way, a run ends
//! in the right state, nothing is done twice, and the user is told.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails loudly")]

mod lifecycle;
mod looking;
mod recovery;
mod upkeep;
mod world;

use std::time::Duration;

use xacct_tests::Fault;

const FAULTS: [Fault; 6] = [
    Fault::Throttle,
    Fault::ServerError(500),
    Fault::ServerError(503),
    Fault::Reset,
    Fault::LoseReply,
    // Last: a late call is done, and what is done is not repeated.
    Fault::Delay(Duration::from_millis(150)),
];
