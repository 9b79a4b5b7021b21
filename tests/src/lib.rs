//! What the end-to-end tests share: third-party emulators of AWS, a proxy that injects faults, plain signed calls, and the field's
//! own tools, each pinned and installed on first use under the target directory.
//!
//! Everything blocks: a test reads from top to bottom. What needs a runtime shares one, [`runtime`].

mod api;
mod emulator;
pub mod portal;
mod program;
mod proxy;
pub mod sample;
mod tool;

use std::sync::LazyLock;

pub use api::{Account, Answer};
pub use emulator::{Emulator, localemu, ministack};
pub use program::{Program, Run};
pub use proxy::{Fault, FaultProxy, Hold, Seen};
pub use tool::{Tool, demanded, npm_packages, python_tool};

/// CDK's command line and library, as the tests use them.
pub const CDK: &[&str] = &["aws-cdk@2.1148.1", "aws-cdk-lib@2.276.0", "constructs@10.8.1"];

/// The runtime that proxies and calls run on.
pub fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().expect("a runtime can be made")
    });
    &RUNTIME
}
