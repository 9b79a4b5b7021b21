//! The two templates of the app, to be read as what would be deployed.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use xacct_cli::Config;
use xacct_core::{App, Assembly, SynthError};

fn synth(config: &Config) -> Result<Assembly, SynthError> {
    let app = App::new();
    app::define(&app, config).unwrap();
    app.synth()
}

#[test]
fn templates() {
    let assembly = synth(&Config::sample()).unwrap();
    for stack in &assembly.stacks {
        insta::assert_json_snapshot!(stack.id.as_str(), stack.template);
    }
}

#[test]
fn production_is_deployed_before_tools_and_nothing_is_left_to_fill_in() {
    let assembly = synth(&Config::sample()).unwrap();
    let order: Vec<(&str, &str)> =
        assembly.stacks.iter().map(|it| (it.stack_name.as_str(), it.environment.account.as_str())).collect();
    assert_eq!(order, [("Production", "222222222222"), ("Tools", "111111111111")]);
    for stack in &assembly.stacks {
        assert!(stack.inputs.is_empty() && stack.template.get("Parameters").is_none(), "{}", stack.id);
    }
}

#[test]
fn twice_is_the_same() {
    let [first, second] = [(); 2].map(|()| synth(&Config::sample()).unwrap());
    let templates = |it: &Assembly| it.stacks.iter().map(|it| it.template.to_string()).collect::<Vec<_>>();
    assert_eq!(templates(&first), templates(&second));
}

#[test]
fn stages_and_accounts_come_from_the_configuration() {
    let config: Config = r#"
        region = "eu-central-1"
        [accounts.tools]
        id = "111111111111"
        [accounts.emea]
        id = "333333333333"
        [accounts.apac]
        id = "444444444444"
        [context]
        name = "lan"
        branch = "trunk"
        stages = [
            { name = "qa", account = "tools" },
            { name = "prod", account = "emea", deployment-window = { cron = "0 8-15 ? * MON-THU *", time-zone = "Europe/Berlin" } },
            { name = "dev", account = "apac", approval = false },
        ]
        [context.operator]
        name = "lan-operator"
        access = "administrator"
    "#
    .parse()
    .unwrap();
    let assembly = synth(&config).unwrap();
    let mut stacks: Vec<&str> = assembly.stacks.iter().map(|it| it.stack_name.as_str()).collect();
    assert_eq!(stacks.last(), Some(&"Tools"));
    stacks.sort_unstable();
    assert_eq!(stacks, ["Apac", "Emea", "Tools"]);
    let tools = assembly.stacks.last().unwrap().template.to_string();
    for expected in
        ["lan-plan-prod", "\"BranchName\":\"trunk\"", "DeploymentWindow", "Europe/Berlin", "AdministratorAccess"]
    {
        assert!(tools.contains(expected), "{expected}");
    }
}

#[test]
fn mistakes_in_the_configuration_are_told() {
    let define = |text: &str| -> String {
        let config: Config = text.parse().unwrap();
        app::define(&App::new(), &config).unwrap_err().to_string()
    };
    let tools = "[accounts.tools]\nid = \"111111111111\"\n";
    assert!(define("").contains("the app needs an account `tools`"));
    assert!(define(tools).contains("the app needs an account `production`"));
    let unknown = format!("{tools}[context]\nstages = [{{ name = \"dev\", acount = \"tools\" }}]");
    assert!(define(&unknown).contains("acount"), "{}", define(&unknown));
}

#[test]
fn a_bad_name_is_told_once_and_with_its_place() {
    let mistakes = |context: &str| -> Vec<String> {
        let tools = "[accounts.tools]\nid = \"111111111111\"\n[context]\n";
        let stages = "stages = [{ name = \"dev\", account = \"tools\" }]\n";
        let stages = if context.starts_with("stages") { "" } else { stages };
        let error = synth(&format!("{tools}{stages}{context}").parse().unwrap()).unwrap_err();
        for it in &error.diagnostics {
            assert_eq!(it.location.as_ref().unwrap().file, "app/src/lib.rs", "{it}");
        }
        error.diagnostics.into_iter().map(|it| it.message).collect()
    };
    assert_eq!(
        mistakes("stages = [{ name = \"Dev 1\", account = \"tools\" }]"),
        ["`Dev 1` cannot be the name of a stage"]
    );
    assert_eq!(
        mistakes("name = \"my net\""),
        ["`my net` cannot be the name of a cross-account pipeline: it contains ` `"]
    );
    assert_eq!(mistakes("operator = { name = \"a/b\" }"), ["`a/b` cannot be a user name: it contains `/`"]);
}

#[test]
fn every_resource_leads_to_a_line_of_this_program() {
    let assembly = synth(&Config::sample()).unwrap();
    for origin in assembly.stacks.iter().flat_map(|it| it.origins.values()) {
        assert_eq!(origin.location.as_ref().unwrap().file, "app/src/lib.rs", "{}", origin.path);
    }
}
