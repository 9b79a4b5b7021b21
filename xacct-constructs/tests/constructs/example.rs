//! The example is an app too.

use xacct_core::App;

use crate::support::{Synthesized, statements};

#[allow(dead_code, unreachable_pub, reason = "its `main` is for `cargo run --example`")]
#[path = "../../examples/releases.rs"]
mod releases;

fn synth() -> Synthesized {
    let app = App::new();
    releases::define(&app);
    Synthesized(app.synth().unwrap())
}

#[test]
fn three_accounts_refer_to_each_other_and_none_waits() {
    let assembly = synth();
    assert_eq!(assembly.order(), ["Build", "Live", "Staging"]);
    for stack in &assembly.0.stacks {
        assert!(stack.dependencies.is_empty() && stack.inputs.is_empty(), "{}", stack.id);
        insta::assert_json_snapshot!(format!("releases_{}", stack.id), stack.template);
    }
}

#[test]
fn a_key_of_another_region_is_used_through_that_regions_service() {
    let assembly = synth();
    let found: Vec<_> = statements(assembly.template("Live"))
        .into_iter()
        .map(|(_, it)| it)
        .filter(|it| it["Condition"]["StringEquals"]["kms:ViaService"].is_string())
        .collect();
    assert!(!found.is_empty());
    for statement in found {
        assert_eq!(statement["Condition"]["StringEquals"]["kms:ViaService"], "s3.eu-west-1.amazonaws.com");
        assert!(statement["Resource"].as_str().unwrap().starts_with("arn:aws:kms:eu-west-1:"));
    }
}
