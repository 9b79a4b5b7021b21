//! Termination protection, refused change sets, import, large templates, bootstrapping.

use std::collections::BTreeMap;

use serde_json::json;
use xacct_deploy::cloudformation::ResourceToImport;
use xacct_deploy::{BootstrapOptions, DestroyOptions, Outcome, RunOptions, Selection, StackOptions};
use xacct_tests::demanded;
use xacct_tests::sample::{self, PRODUCTION, REGION, TOOLS};

use crate::FAULTS;
use crate::world::{World, finish, names, tools};

#[test]
fn changing_the_protection_of_a_stack_may_break_too() {
    let Some(world) = demanded(World::new()) else { return };
    let protected = world.with_tools(0, "protected", |tools| tools.termination_protection = true);
    let is_protected = || {
        let stack = world.cloudformation(TOOLS, "DescribeStacks", &[("StackName", "Tools")]);
        stack.element("EnableTerminationProtection").as_deref() == Some("true")
    };
    for fault in FAULTS {
        let engine = world.engine(&format!("protection {fault:?}"));
        let faults_met = |what: &str| assert_eq!(world.proxy.pending(), 0, "{fault:?}: {what}");
        world.proxy.inject("UpdateTerminationProtection", fault, 1);
        world.deploy(&engine, &protected);
        faults_met("protecting");
        assert!(is_protected(), "{fault:?}");

        world.proxy.inject("UpdateTerminationProtection", fault, 1);
        world.deploy(&engine, &world.versions[0]);
        faults_met("ending the protection");
        assert!(!is_protected(), "{fault:?}");

        world.deploy(&engine, &protected);
        world.proxy.inject("UpdateTerminationProtection", fault, 1);
        let mut options = DestroyOptions::default();
        options.remove_protection = true;
        let (summary, _) = finish(engine.destroy(&protected, &Selection::default(), options, RunOptions::default()));
        faults_met("destroying");
        assert!(matches!(tools(&summary), Outcome::Deleted { .. }), "{fault:?}: {summary:?}");
    }
}

/// What exists is taken over, once; what does not exist makes a change set that is refused, and the reason is told.
#[test]
fn an_import_may_break_too() {
    let Some(world) = demanded(World::new()) else { return };
    let parameter = |name: &str| {
        json!({
            "Type": "AWS::SSM::Parameter",
            "DeletionPolicy": "Delete",
            "Properties": { "Name": name, "Type": "String", "Value": "by hand" },
        })
    };
    let with = |logical_id: &str, name: &str| {
        world.with_tools(0, logical_id, |tools| tools.template["Resources"][logical_id] = parameter(name))
    };
    let import = |logical_id: &str, name: &str| {
        let mut options = StackOptions::default();
        let resource = ResourceToImport {
            logical_id: logical_id.to_owned(),
            resource_type: "AWS::SSM::Parameter".to_owned(),
            identifier: BTreeMap::from([("Name".to_owned(), name.to_owned())]),
        };
        options.import = BTreeMap::from([("Tools".to_owned(), vec![resource])]);
        options
    };
    let (there, absent) = (with("There", "/there"), with("Absent", "/absent"));
    for fault in FAULTS {
        let put = json!({ "Name": "/there", "Type": "String", "Value": "by hand" });
        assert!(world.account(TOOLS).json("ssm", "AmazonSSM.PutParameter", &put).is_success());
        let engine = world.engine(&format!("import {fault:?}"));
        world.deploy(&engine, &world.versions[0]);

        world.break_one_of_each(&["CreateChangeSet", "DescribeChangeSet", "DescribeEvents", "DeleteChangeSet"], fault);
        let options = import("Absent", "/absent");
        let (summary, events) = finish(engine.deploy(&absent, &tools_only(), options, RunOptions::default()));
        assert_eq!(world.proxy.pending(), 0, "{fault:?}: {summary:?}");
        let Outcome::Failed { causes, .. } = tools(&summary) else { panic!("{fault:?}: {summary:?}") };
        assert!(format!("{causes:?}").contains("/absent"), "{fault:?}: {causes:?}");
        world.check_told(&events, &format!("{fault:?}"));

        world.break_one_of_each(
            &["CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "DescribeStackEvents"],
            fault,
        );
        let options = import("There", "/there");
        let (summary, events) = finish(engine.deploy(&there, &tools_only(), options, RunOptions::default()));
        assert_eq!(world.proxy.pending(), 0, "{fault:?}: {summary:?}");
        assert!(summary.is_success(), "{fault:?}: {summary:?}");
        world.check_told(&events, &format!("{fault:?}"));
        assert_eq!(world.begun("IMPORT_IN_PROGRESS"), 1, "{fault:?}");
        world.destroy(&engine, &there);
        assert_eq!(world.value(TOOLS, "/there"), None, "{fault:?}: what was imported belongs to the stack");
    }
}

/// A template that does not fit into a call goes through the bucket.
#[test]
fn a_large_template_may_break_too() {
    let Some(world) = demanded(World::new()) else { return };
    let large = world.with_tools(0, "large", |tools| tools.template["Metadata"]["Filler"] = "x".repeat(60_000).into());
    for fault in FAULTS {
        let engine = world.engine(&format!("large {fault:?}"));
        for action in ["HeadObject", "PutObject", "CreateChangeSet"] {
            // Of the asset, and of the template.
            world.proxy.inject(action, fault, 2);
        }
        world.deploy(&engine, &large);
        assert_eq!(world.proxy.pending(), 0, "{fault:?}");
        let deployed = world.cloudformation(TOOLS, "GetTemplate", &[("StackName", "Tools")]);
        assert!(deployed.body.contains("Filler"), "{fault:?}");
        world.destroy(&engine, &large);
    }
}

#[test]
fn bootstrapping_may_break_too() {
    let Some(world) = demanded(World::new()) else { return };
    let bootstrap = |scenario: &str| {
        let engine = world.engine(scenario);
        // The accounts have the default one's bucket already.
        let mut options = BootstrapOptions::default();
        options.qualifier = Some("faults".to_owned());
        let (summary, events) = finish(engine.bootstrap(&world.versions[0], options, RunOptions::default()));
        assert!(summary.is_success(), "{scenario}: {summary:?}");
        world.check_told(&events, scenario);
    };
    let undo = || {
        for account in [PRODUCTION, TOOLS] {
            let parameters = [("StackName", "CDKToolkit-faults")];
            let events = world.cloudformation(account, "DescribeStackEvents", &parameters);
            assert_eq!(sample::operations(&events, "CREATE_IN_PROGRESS"), 1);
            let unprotected = [parameters[0], ("EnableTerminationProtection", "false")];
            world.cloudformation(account, "UpdateTerminationProtection", &unprotected);
            world.cloudformation(account, "DeleteStack", &parameters);
            let bucket = format!("/cdk-faults-assets-{account}-{}", REGION);
            // Retained.
            let answer = world.account(account).rest("s3", "DELETE", &bucket, &[], "");
            assert!(answer.is_success(), "{answer:?}");
        }
    };
    world.proxy.take_log();
    bootstrap("bootstrap");
    let calls = names(world.proxy.take_log());
    assert!(calls.contains("ExecuteChangeSet"), "{calls:?}");
    undo();
    for action in &calls {
        for fault in FAULTS {
            world.break_one_of_each(&[action], fault);
            bootstrap(&format!("bootstrap {action} {fault:?}"));
            assert_eq!(world.proxy.pending(), 0, "{action} {fault:?}");
            undo();
        }
    }
}

fn tools_only() -> Selection {
    Selection { stacks: Some(["Tools".to_owned()].into()), exclusively: true }
}
