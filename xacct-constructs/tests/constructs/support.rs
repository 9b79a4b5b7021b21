//! Two accounts to define things in, and ways to look at what comes out.

use serde_json::Value as Json;
use xacct_core::{AccountId, App, Assembly, Diagnostic, Environment, Region, Severity, Stack, StackProps};

pub(crate) const TOOLS: AccountId = AccountId::literal("111111111111");
pub(crate) const PRODUCTION: AccountId = AccountId::literal("222222222222");
pub(crate) const REGION: Region = Region::literal("eu-west-1");

/// An app with a stack in each of two accounts.
pub(crate) struct Two {
    pub(crate) app: App,
    pub(crate) tools: Stack,
    pub(crate) production: Stack,
}

impl Two {
    pub(crate) fn new() -> Self {
        let app = App::new();
        let tools = Stack::new(&app, "Tools", Environment::new(TOOLS, REGION), StackProps::new());
        let production = Stack::new(&app, "Production", Environment::new(PRODUCTION, REGION), StackProps::new());
        Self { app, tools, production }
    }

    pub(crate) fn synth(&self) -> Synthesized {
        let assembly = self.app.synth().unwrap_or_else(|error| panic!("{error}"));
        for origin in assembly.stacks.iter().flat_map(|it| it.origins.values()) {
            // A failure leads to the line in the user's program, never into this library.
            let location = origin.location.as_ref().unwrap();
            assert!(!location.file.contains("src/"), "{} is said to be made at {location}", origin.path);
        }
        Synthesized(assembly)
    }

    /// What constructs find wrong with the definitions, where the schemas say some of it again in their own words.
    pub(crate) fn own_problems(&self) -> Vec<Diagnostic> {
        self.app.skip_validation();
        self.problems()
    }

    /// What is wrong with the definitions.
    pub(crate) fn problems(&self) -> Vec<Diagnostic> {
        let found = self.app.synth().map(|_| Vec::new()).unwrap_or_else(|error| error.diagnostics);
        found.into_iter().filter(|it| it.severity == Severity::Error).collect()
    }
}

pub(crate) struct Synthesized(pub(crate) Assembly);

impl Synthesized {
    pub(crate) fn template(&self, stack: &str) -> &Json {
        let found = self.0.stacks.iter().find(|it| it.stack_name == stack);
        &found.unwrap_or_else(|| panic!("there is no stack {stack}")).template
    }

    pub(crate) fn order(&self) -> Vec<&str> {
        self.0.stacks.iter().map(|it| it.stack_name.as_str()).collect()
    }
}

/// The resources of a type, by their logical ids.
pub(crate) fn of_type<'t>(template: &'t Json, kind: &str) -> Vec<(&'t str, &'t Json)> {
    let resources = template["Resources"].as_object().unwrap();
    resources.iter().filter(|(_, it)| it["Type"] == kind).map(|(id, it)| (id.as_str(), it)).collect()
}

/// The one resource of a type.
pub(crate) fn the<'t>(template: &'t Json, kind: &str) -> &'t Json {
    match of_type(template, kind)[..] {
        [(_, resource)] => &resource["Properties"],
        ref found => panic!("{} resources of type {kind}", found.len()),
    }
}

/// Every statement of every policy, with the logical id of what holds it.
pub(crate) fn statements(template: &Json) -> Vec<(String, Json)> {
    let mut found = Vec::new();
    for (id, resource) in template["Resources"].as_object().unwrap() {
        for property in ["PolicyDocument", "AssumeRolePolicyDocument", "KeyPolicy", "ResourcePolicy"] {
            let statements = resource["Properties"][property]["Statement"].as_array();
            found.extend(statements.into_iter().flatten().map(|it| (id.clone(), it.clone())));
        }
    }
    found
}

/// One text or a list of texts, as a list.
pub(crate) fn texts(json: &Json) -> Vec<String> {
    match json {
        Json::Array(items) => {
            items.iter().map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)).collect()
        }
        Json::Null => Vec::new(),
        Json::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}
