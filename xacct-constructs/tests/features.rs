//! The crate compiles with any one part of it.
#![allow(clippy::unwrap_used, reason = "a test that fails should stop there")]

use std::process::Command;

#[test]
fn a_part_compiles_without_the_rest() {
    for part in ["", "s3", "iot", "constructs"] {
        let output = Command::new(env!("CARGO"))
            .args(["check", "--quiet", "--lib", "--no-default-features", "--features", part])
            .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("warning"), "with `{part}`: {said}");
    }
}
