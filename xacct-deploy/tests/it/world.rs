//! Apps for the in-memory CloudFormation, and what their world looks like afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use xacct_core::assembly::{Assembly, Dependency, Input, StackArtifact};
use xacct_core::{AccountId, Region};
use xacct_deploy::memory::World;
use xacct_deploy::*;

use crate::double::{Played, play};

pub(crate) fn home(account: &str) -> xacct_core::Environment {
    xacct_core::Environment::new(account.parse::<AccountId>().unwrap(), Region::literal("eu-west-1"))
}

/// A stack with a queue whose URL is an output, and a parameter for each input.
pub(crate) fn queue_stack(id: &str, account: &str, inputs: &[&str], delay: u32) -> StackArtifact {
    let mut template = json!({
        "Parameters": {},
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": format!("{id}-queue"), "DelaySeconds": delay}},
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": format!("{id}-{delay}")}}
        },
        "Outputs": {"TopicName": {"Value": {"Fn::GetAtt": ["Topic", "TopicName"]}}}
    });
    for from in inputs {
        let parameter = format!("From{from}");
        template["Parameters"][&parameter] = json!({"Type": "String"});
        template["Resources"][format!("Note{from}")] = json!({
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Name": format!("/{id}/{from}"), "Value": {"Ref": parameter}}
        });
    }
    let mut artifact = StackArtifact::new(id, home(account), template);
    for from in inputs {
        artifact.inputs.push(Input {
            parameter: format!("From{from}"),
            from_stack: (*from).to_owned(),
            output: "TopicName".into(),
        });
        artifact.dependencies.push(Dependency { stack: (*from).to_owned(), reason: "it takes its output".into() });
    }
    artifact
}

const ONE: &str = "111111111111";
const TWO: &str = "222222222222";
const THREE: &str = "333333333333";

/// Six stacks in three accounts: Base → Middle → Top, Base → Side → Top, Left → Right.
pub(crate) fn six_stacks(delay: u32) -> Assembly {
    let mut assembly = Assembly::default();
    assembly.stacks = vec![
        queue_stack("Base", ONE, &[], delay),
        queue_stack("Middle", TWO, &["Base"], delay),
        queue_stack("Side", THREE, &["Base"], delay),
        queue_stack("Top", ONE, &["Middle", "Side"], delay),
        queue_stack("Left", TWO, &[], delay),
        queue_stack("Right", THREE, &["Left"], delay),
    ];
    assembly
}

pub(crate) fn engine(world: &World, store: Arc<dyn Store>) -> Engine {
    let mut engine = Engine::new(Arc::new(world.clone()), store);
    engine.retry.jitter = Arc::new(|| 0.5);
    engine
}

/// What a run does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verb {
    Deploy(u32),
    Destroy,
}

pub(crate) type Started = (Run<Result<Summary, RunError>>, Events);

pub(crate) fn start(engine: &Engine, verb: Verb) -> Started {
    let (all, options) = (Selection::default(), RunOptions::default());
    match verb {
        Verb::Deploy(delay) => engine.deploy(&six_stacks(delay), &all, StackOptions::default(), options),
        Verb::Destroy => engine.destroy(&six_stacks(1), &all, DestroyOptions::default(), options),
    }
}

pub(crate) async fn finish(engine: &Engine, verb: Verb) -> Played {
    let (run, events) = start(engine, verb);
    play(run, events).await
}

/// Everything about the stacks that must not depend on how often a run was interrupted: their statuses, templates, outputs and
/// resources, without ids and times.
pub(crate) async fn picture(world: &World) -> BTreeMap<String, Value> {
    let mut picture = BTreeMap::new();
    for account in [ONE, TWO, THREE] {
        let environment = Environment::from(&home(account));
        let service = world.clients(&environment).cloudformation;
        for stack in service.describe_stacks(None).await.unwrap().items {
            let resources = service.list_stack_resources(&stack.id, None).await.unwrap().items;
            let resources: Vec<_> =
                resources.into_iter().map(|it| format!("{} {}", it.logical_id, it.status)).collect();
            let template = service.get_template(&stack.id).await.unwrap_or_default();
            let outputs: Vec<_> = stack.outputs.iter().map(|it| (&it.key, &it.value)).collect();
            let parameters: Vec<_> = stack.parameters.iter().map(|(key, it)| (key, &it.value)).collect();
            let state = json!({
                "status": stack.status.as_str(),
                "template": template,
                "outputs": outputs,
                "parameters": parameters,
                "resources": resources,
            });
            picture.insert(format!("{account}/{}", stack.name), state);
        }
    }
    picture
}

/// The stacks that are there, with their accounts and ARNs.
pub(crate) async fn stacks(world: &World) -> BTreeSet<(&'static str, String)> {
    let mut found = BTreeSet::new();
    for account in [ONE, TWO, THREE] {
        let service = world.clients(&Environment::from(&home(account))).cloudformation;
        found.extend(service.describe_stacks(None).await.unwrap().items.into_iter().map(|it| (account, it.id)));
    }
    found
}

/// How often an operation began on each stack that is there, or was before, by name and status; and the change sets that are left over.
pub(crate) async fn beginnings(world: &World, before: &BTreeSet<(&'static str, String)>) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let all: BTreeSet<_> = stacks(world).await.union(before).cloned().collect();
    for (account, id) in all {
        let environment = Environment::from(&home(account));
        let service = world.clients(&environment).cloudformation;
        let stack = service.describe_stack(&id).await.unwrap();
        let open = world.open_change_sets(&environment, &stack.name).len();
        if open > 0 {
            found.insert(format!("{} change sets", stack.name), open);
        }
        let mut next: Option<String> = None;
        loop {
            let page = service.describe_stack_events(&id, next.as_deref()).await.unwrap();
            let begun = ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"];
            for event in page.items.iter().filter(|it| it.is_stack() && begun.contains(&it.status.as_str())) {
                *found.entry(format!("{} {}", stack.name, event.status)).or_default() += 1;
            }
            match page.next_token {
                Some(token) => next = Some(token),
                None => break,
            }
        }
    }
    found
}
