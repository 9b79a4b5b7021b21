//! What every verb promises: where its words go, what they say, and how it ends.

use std::fs;
use std::process::Stdio;

use crate::support::{Place, said};

#[test]
fn synth_writes_an_assembly_and_tells_the_order() {
    let place = Place::new();
    let said = place.run(&["synth"]);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    assert!(said.err.contains("no xacct.toml: using the sample accounts tools 111111111111, production 222222222222"));
    assert!(said.err.find("1. Tools").unwrap() < said.err.find("2. Production").unwrap(), "{}", said.err);
    assert!(place.has("cdk.out/Tools.template.json") && place.has("cdk.out/manifest.json"));
}

#[test]
fn synth_prints_one_template_on_demand() {
    let place = Place::new();
    let said = place.run(&["synth", "--stdout", "Tools", "--output", "out"]);
    let template: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(template["Description"], "the tools");
    assert_eq!(said.out, fs::read_to_string(place.path().join("out/Tools.template.json")).unwrap());
}

#[test]
fn ls_prints_names_and_nothing_else_to_standard_output() {
    let place = Place::new();
    assert_eq!(place.run(&["ls"]).out, "Tools\nProduction\n");
    assert_eq!(place.run(&["ls", "Prod*"]).out, "Production\n");
    let long = place.run(&["ls", "-l"]).out;
    assert!(long.contains("222222222222/eu-west-1 (production)") && long.contains("after Tools"), "{long}");
    assert!(!place.has("cdk.out"));
}

#[test]
fn an_assembly_on_disk_does_without_the_definitions() {
    let place = Place::new();
    assert_eq!(place.run(&["synth"]).code, 0);
    let said = place.run(&["ls", "--assembly", "cdk.out", "-c", "case=duplicate-id"]);
    assert_eq!((said.code, said.out.as_str()), (0, "Tools\nProduction\n"));
    place.run(&["ls", "--assembly", "nowhere"]).refuses(64, &["cannot read `nowhere/manifest.json`"]);
}

#[test]
fn mistakes_in_definitions_name_the_place_and_write_nothing() {
    for (case, texts) in [
        ("duplicate-id", &["`Tools/Queue` is defined twice", "testapp/main.rs:", "first defined"][..]),
        ("cycle", &["stacks depend on each other: `Production` -> `Tools` -> `Production`", "testapp/main.rs:"]),
        ("other-app", &["`Tools/ForeignArn` refers to a construct of another app", "testapp/main.rs:"]),
        ("many", &["`Tools` has 501 resources, and CloudFormation takes 500"]),
        ("large", &["the template of `Tools` has", "CloudFormation takes 1000000"]),
    ] {
        let place = Place::new();
        place.run(&["synth", "-c", &format!("case={case}")]).refuses(4, texts);
        assert!(!place.has("cdk.out"), "{case}");
    }
}

#[test]
fn mistakes_in_the_configuration_name_the_line() {
    let tools = "[accounts.tools]\nid = \"111111111111\"\n";
    for (text, texts) in [
        (
            "[accounts.tools]\nid = \"11111111111\"\n",
            &["xacct.toml:2:6", "`11111111111` is not an AWS account id: it has 11 digits"][..],
        ),
        ("[accounts.tools]\nid = 111111111111\n", &["xacct.toml:2:6", "is a number", "id = \"111111111111\""]),
        ("[accounts.tools]\nid = 012345678901\n", &["xacct.toml:2:6", "is a number", "id = \"012345678901\""]),
        (
            "[accounts.tools]\nid = \"111111111111\"\nexternal_id = \"x\"\n",
            &["xacct.toml:3:15", "`external_id` without a `role`"],
        ),
        (
            "[accounts.tools]\nid = \"111111111111\"\nrole = \"cdk-bootstrap\"\nexternal_id = \"xy\"\n",
            &["xacct.toml:4:15", "ask for no external id"],
        ),
        (
            "[accounts.tools]\nid = \"111111111111\"\nrole = \"deployer\"\nexternal_id = \"not this\"\n",
            &["xacct.toml:4:15", "2 to 1224 letters"],
        ),
        ("[accounts.tools]\nprofile = \"x\"\n", &["xacct.toml:1:11", "account `tools` has no `id`"]),
        ("accounts.tools = \"111111111111\"\n", &["account `tools` is not a table", "write `[accounts.tools]`"]),
        (
            &format!("{tools}[accounts.qa]\nid = \"111111111111\"\n"),
            &["xacct.toml:4:6", "account 111111111111 is given twice, as `tools` and as `qa`"],
        ),
        (&format!("{tools}region = \"eu-wst-1\"\n"), &["xacct.toml:3:10", "did you mean `eu-west-1`?"]),
        ("regoin = \"eu-west-1\"\n", &["xacct.toml:1:1", "unknown key `regoin`", "did you mean `region`?"]),
        (
            &format!("{tools}profil = \"x\"\n"),
            &["xacct.toml:3:1", "unknown key `profil` of account `tools`", "did you mean `profile`?"],
        ),
        (
            &format!("{tools}role = \"arn:aws:iam::222222222222:role/x\"\n"),
            &["the role is in account 222222222222, not in 111111111111"],
        ),
        ("[silence]\nx = \" \"\n", &["xacct.toml:2:5", "`x` is silenced without a reason"]),
        ("region = \n", &["xacct.toml:1:", "not valid TOML"]),
        (tools, &["the app needs an account `production`", "add `[accounts.production]`"]),
    ] {
        let place = Place::with("xacct.toml", text);
        let said = place.run(&["synth"]);
        said.refuses(64, texts);
        assert!(!place.has("cdk.out"), "{text}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let place = Place::with("xacct.toml", "regoin = \"x\"\n[accounts.tools]\nid = \"1\"\n[accounts.qa]\nrole = 3\n");
    place.run(&["ls"]).refuses(64, &["xacct.toml:1:1", "xacct.toml:3:6", "`role` has to be text", "`qa` has no `id`"]);
}

#[test]
fn templates_are_validated_unless_a_flag_says_otherwise() {
    let place = Place::new();
    let misspelt = ["synth", "-c", "case=misspelt"];
    let texts = ["no property `QueueNaem`", "Tools/Misspelt", "testapp/main.rs:", "did you mean `QueueName`?"];
    place.run(&misspelt).refuses(4, &texts);
    place.run(&[&misspelt[..], &["--no-validation"]].concat()).refuses(0, &[]);
    place.run_with(&[("XACCT_NO_VALIDATION", "1")], &misspelt).refuses(0, &[]);
}

#[test]
fn later_layers_win_and_doctor_says_which() {
    let place = Place::with(
        "xacct.toml",
        "region = \"eu-west-1\"\n[accounts.tools]\nid = \"111111111111\"\nprofile = \"a\"\n\
         [accounts.production]\nid = \"222222222222\"\n[context]\ncase = \"good\"\n[silence]\nx = \"because\"\n",
    );
    let variables = [
        ("XACCT_REGION", "eu-central-1"),
        ("XACCT_ACCOUNT_PRODUCTION", "333333333333"),
        ("XACCT_YES", "1"),
        ("XACCT_OUTPUT", "out"),
        ("XACCT_REQUIRE_APPROVAL", "broadening"),
        ("XACCT_LOCAL", "true"),
        ("XACCT_PROGRESS", "events"),
    ];
    let flags = ["--profile", "tools=b", "--region", "us-east-1", "--progress", "errors", "--config", "xacct.toml"];
    let said = place.run_with(&variables, &[&["doctor", "--offline", "--json"][..], &flags].concat());
    let setting = |name: &str| {
        let line =
            said.lines().into_iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("{name}: {}", said.out));
        (line["value"].as_str().unwrap().to_owned(), line["from"].as_str().unwrap().to_owned())
    };
    let is = |value: &str, from: &str| (value.to_owned(), from.to_owned());
    assert_eq!(setting("region"), is("us-east-1", "--region"));
    assert_eq!(setting("accounts.tools.id"), is("111111111111", "xacct.toml:3"));
    assert_eq!(setting("accounts.tools.profile"), is("b", "--profile"));
    assert_eq!(setting("accounts.production.id"), is("333333333333", "XACCT_ACCOUNT_PRODUCTION"));
    assert_eq!(setting("context.case"), is("good", "xacct.toml:8"));
    assert_eq!(setting("silence.x"), is("because", "xacct.toml:10"));
    assert_eq!(setting("output"), is("out", "XACCT_OUTPUT"));
    assert_eq!(setting("config"), is("xacct.toml", "--config"));
    assert_eq!(setting("yes"), is("true", "XACCT_YES"));
    assert_eq!(setting("require-approval"), is("broadening", "XACCT_REQUIRE_APPROVAL"));
    assert_eq!(setting("local"), is("true", "XACCT_LOCAL"));
    assert_eq!(setting("progress"), is("errors", "--progress"));
    assert_eq!(setting("json"), is("true", "--json"));
    assert_eq!(setting("color"), is("auto", "default"));
    assert_eq!(setting("no-validation"), is("false", "default"));
    assert_eq!(setting("assembly"), is("none", "default"));
}

#[test]
fn flags_in_help_are_not_cut_at_their_hyphens() {
    let place = Place::with("broken.json", "{");
    let args = ["status", "--local", "--local-state", "broken.json"];
    for width in 60..100 {
        let said = place.run_with(&[("COLUMNS", &width.to_string())], &args);
        assert_eq!(said.code, 1);
        assert!(said.err.contains("--local-state"), "{}", said.err);
    }
}

#[test]
fn flags_and_variables_are_checked_as_the_file_is() {
    let place = Place::new();
    place.run(&["ls", "--region", "eu-wst-1"]).refuses(64, &["did you mean `eu-west-1`?", "from --region"]);
    place.run(&["ls", "--account", "tools=222222222222"]).refuses(64, &["given twice", "from --account"]);
    place.run(&["ls", "--profile", "tool=x"]).refuses(64, &["`tool` that is not configured", "did you mean `tools`?"]);
    place.run(&["ls", "--profile", "tools"]).refuses(64, &["NAME=VALUE"]);
    place.run(&["ls", "--config", "none.toml"]).refuses(64, &["there is no file `none.toml`"]);
    let said = place.run_with(&[("XACCT_REGOIN", "x")], &["ls"]);
    said.refuses(0, &["the variable `XACCT_REGOIN` means nothing", "did you mean `XACCT_REGION`?"]);
}

#[test]
fn context_is_read_as_what_the_app_needs() {
    let place = Place::new();
    place.run(&["ls", "-c", "case=number", "-c", "retention=14"]).refuses(0, &[]);
    place
        .run(&["ls", "-c", "case=number", "-c", "retention=long"])
        .refuses(64, &["`retention` has a value", "from --context"]);
    place.run(&["ls", "-c", "cas=x"]).refuses(64, &["the app does not use the context `cas`", "did you mean `case`?"]);
}

#[test]
fn an_unknown_stack_is_answered_with_the_nearest() {
    let place = Place::new();
    place.run(&["ls", "Tool"]).refuses(64, &["there is no stack `Tool`", "did you mean `Tools`?"]);
    place.run(&["ls", "X*", "Y"]).refuses(64, &["no stack matches `X*`", "there is no stack `Y`"]);
    place.run(&["synth", "--stdout", "Tool"]).refuses(64, &["did you mean `Tools`?"]);
    assert!(!place.has("cdk.out"));
}

#[test]
fn an_output_folder_that_cannot_be_written_is_named() {
    let place = Place::with("file", "");
    let said = place.run(&["synth", "--output", "file/cdk.out"]);
    said.refuses(1, &["`file", "nothing was written", "--output"]);
    fs::create_dir(place.path().join("mine")).unwrap();
    fs::write(place.path().join("mine/letter.txt"), "dear").unwrap();
    place.run(&["synth", "--output", "mine"]).refuses(1, &["it holds other files"]);
    assert_eq!(fs::read_to_string(place.path().join("mine/letter.txt")).unwrap(), "dear");
}

#[test]
fn usage_errors_end_with_64_and_help_with_0() {
    let place = Place::new();
    place.run(&["sinth"]).refuses(64, &["unrecognized subcommand", "synth"]);
    place.run(&["ls", "--lnog"]).refuses(64, &["--long"]);
    place.run(&[]).refuses(64, &["Usage: testapp"]);
    let help = place.run(&["--help"]);
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    for verb in ["synth", "ls", "doctor", "deploy", "Exit codes"] {
        assert!(help.out.contains(verb), "{}", help.out);
    }
    assert!(place.run(&["completions", "bash"]).out.contains("testapp"));
}

#[test]
fn json_is_lines_of_json_and_nothing_else() {
    let place = Place::new();
    for (args, code) in [
        (&["synth"][..], 0),
        (&["ls"], 0),
        (&["doctor", "--offline"], 0),
        (&["ls", "Tool"], 64),
        (&["synth", "-c", "case=cycle"], 4),
    ] {
        let said = place.run(&[args, &["--json"]].concat());
        assert_eq!((said.code, said.err.as_str()), (code, ""), "{args:?}");
        let lines = said.lines();
        assert_eq!((&lines[0]["type"], &lines[0]["version"]), (&"version".into(), &1.into()), "{args:?}");
        assert!(lines.iter().all(|it| it["type"].is_string()));
        let has_error = lines.iter().any(|it| it["type"] == "diagnostic" && it["severity"] == "error");
        assert_eq!(has_error, code != 0, "{}", said.out);
    }
}

#[test]
fn every_type_of_json_line_is_documented() {
    let documented = include_str!("../../../docs/json.md");
    let place = Place::new();
    for args in [
        &["synth"][..],
        &["ls"],
        &["doctor", "--offline"],
        &["graph"],
        &["ls", "Tool"],
        &["explain"],
        &["check"],
        &["access"],
        &["status", "--local"],
        &["diff", "--local"],
        &["doctor", "--local"],
        &["drift", "--local"],
    ] {
        for line in place.run(&[args, &["--json"]].concat()).lines() {
            let kind = line["type"].as_str().unwrap();
            assert!(documented.contains(&format!("### `{kind}`")), "{kind}");
            for field in line.as_object().unwrap().keys().filter(|it| *it != "type") {
                let section = documented.split(&format!("### `{kind}`")).nth(1).unwrap();
                let section = section.split("\n### ").next().unwrap();
                assert!(section.contains(&format!("`{field}`")), "{kind}.{field}");
            }
        }
    }
}

#[test]
fn colors_only_where_they_are_wanted() {
    let place = Place::new();
    let escapes = |variables: &[(&str, &str)], args: &[&str]| place.run_with(variables, args).err.contains('\x1b');
    assert!(!escapes(&[], &["ls", "Tool"]));
    assert!(escapes(&[], &["ls", "Tool", "--color", "always"]));
    assert!(escapes(&[("CLICOLOR_FORCE", "1")], &["ls", "Tool"]));
    assert!(!escapes(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], &["ls", "Tool"]));
    assert!(!escapes(&[("CLICOLOR_FORCE", "1")], &["ls", "Tool", "--color", "never"]));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_and_a_gone_reader_is_none() {
    let place = Place::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = place.command(&["ls"]).stdout(full).output().unwrap();
    said(output).refuses(1, &["cannot write to standard output", "no space left on device"]);

    let mut child = place.command(&["ls"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    said(child.wait_with_output().unwrap()).refuses(0, &[]);
}

#[test]
fn it_speaks_the_protocol_of_cdk() {
    let place = Place::new();
    let variables = [
        ("CDK_OUTDIR", "from-cdk"),
        ("CDK_CONTEXT_JSON", r#"{"case": "cycle", "aws:cdk:feature": true}"#),
        ("CDK_DEFAULT_ACCOUNT", "111111111111"),
    ];
    place.run_with(&variables, &[]).refuses(4, &["stacks depend on each other"]);
    let said = place.run_with(&variables[..1], &["synth"]);
    assert_eq!((said.code, said.out.as_str()), (0, ""));
    assert!(place.has("from-cdk/manifest.json") && !place.has("cdk.out"));
}
