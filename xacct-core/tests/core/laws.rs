//! What holds for every program: order is invisible, synthesis repeats itself, ids are unique, references resolve.

use std::collections::BTreeSet;

use crate::support::{A, B, Role, Store, stack};
use proptest::prelude::*;
use serde_json::Value as Json;
use xacct_core::{AccountId, App, Assembly, Principal, ReferenceStrategy, Stack};

const ACTIONS: [&str; 3] = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"];

/// A program: how many roles and stores per stack, and who is granted what.
#[derive(Clone, Debug)]
struct Program {
    stacks: Vec<AccountId>,
    grants: Vec<(usize, usize, usize)>,
    strategy: ReferenceStrategy,
}

fn program() -> impl Strategy<Value = Program> {
    let account = prop_oneof![Just(A), Just(B)];
    let grants = prop::collection::vec((0..4usize, 0..4usize, 0..3usize), 0..24);
    let strategy = prop_oneof![Just(ReferenceStrategy::Parameter), Just(ReferenceStrategy::GetStackOutput)];
    (prop::collection::vec(account, 1..4), grants, strategy).prop_map(|(stacks, grants, strategy)| Program {
        stacks,
        grants,
        strategy,
    })
}

fn define(program: &Program, stack_order: &[usize], grants: &[(usize, usize, usize)]) -> App {
    let app = App::new();
    app.set_reference_strategy(program.strategy);
    let mut stacks: Vec<Option<Stack>> = vec![None; program.stacks.len()];
    for &index in stack_order {
        stacks[index] = Some(stack(&app, &format!("Stack{index}"), program.stacks[index]));
    }
    let stacks: Vec<Stack> = stacks.into_iter().flatten().collect();
    let parts: Vec<(Store, Role)> = (0..4)
        .map(|index| {
            let scope = &stacks[index % stacks.len()];
            let role = Role::new(scope, &format!("Role{index}"), Principal::service("codebuild.amazonaws.com"), None);
            (Store::new(scope, &format!("Store{index}")), role)
        })
        .collect();
    for &(store, role, action) in grants {
        parts[store].0.grant(&parts[role].1, ACTIONS[action]);
    }
    app
}

/// The templates, and whether an order was found. Where stacks of one account grant to each other, there may be a cycle.
fn templates(app: &App) -> Result<Assembly, String> {
    app.synth().map_err(|error| {
        assert!(error.diagnostics.iter().all(|it| it.rule == "stack-cycle"), "{error}");
        "a cycle".to_owned()
    })
}

/// Every `Ref` and `Fn::GetAtt` in a template.
fn referenced(json: &Json, found: &mut BTreeSet<String>) {
    match json {
        Json::Array(items) => items.iter().for_each(|it| referenced(it, found)),
        Json::Object(fields) => fields.iter().for_each(|(key, value)| match key.as_str() {
            "Ref" => found.extend(value.as_str().map(str::to_owned)),
            "Fn::GetAtt" => found.extend(value[0].as_str().map(str::to_owned)),
            _ => referenced(value, found),
        }),
        _ => {}
    }
}

proptest! {
    #[test]
    fn the_order_of_definitions_and_grants_is_invisible(
        (program, stacks, grants) in program().prop_flat_map(|program| {
            let order: Vec<usize> = (0..program.stacks.len()).collect();
            let grants = program.grants.clone();
            (Just(program), Just(order).prop_shuffle(), Just(grants).prop_shuffle())
        })
    ) {
        let order: Vec<usize> = (0..program.stacks.len()).collect();
        let text = |app: &App| templates(app).map(|it| it.stacks.iter().map(|it| (it.id.clone(), it.template_text())).collect::<Vec<_>>());
        prop_assert_eq!(text(&define(&program, &order, &program.grants)), text(&define(&program, &stacks, &grants)));
    }

    #[test]
    fn synthesis_repeats_itself_and_references_resolve(program in program()) {
        let order: Vec<usize> = (0..program.stacks.len()).collect();
        let app = define(&program, &order, &program.grants);
        let Ok(assembly) = templates(&app) else { return Ok(()) };
        prop_assert_eq!(&app.synth().unwrap(), &assembly);
        let mut done: BTreeSet<&str> = BTreeSet::new();
        for stack in &assembly.stacks {
            let mut known: BTreeSet<String> = BTreeSet::new();
            for section in ["Resources", "Parameters"] {
                known.extend(stack.template[section].as_object().into_iter().flatten().map(|(id, _)| id.clone()));
            }
            let mut used = BTreeSet::new();
            referenced(&stack.template, &mut used);
            prop_assert!(used.is_subset(&known), "{:?}", used.difference(&known));
            for input in &stack.inputs {
                let producer = assembly.stack(&input.from_stack).unwrap();
                prop_assert!(producer.template["Outputs"].get(&input.output).is_some());
                prop_assert!(stack.template["Parameters"].get(&input.parameter).is_some());
            }
            for dependency in &stack.dependencies {
                prop_assert!(done.contains(dependency.stack.as_str()));
            }
            done.insert(&stack.id);
        }
    }
}
