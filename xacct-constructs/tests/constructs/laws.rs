//! What holds for every app.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value as Json;
use xacct_constructs::iam::{Role, RoleProps};
use xacct_constructs::kms::{Key, KeyProps};
use xacct_constructs::s3::{Bucket, BucketProps};
use xacct_core::{Assembly, Construct, Principal, Stack};

use crate::support::Two;

/// Who is granted what on which bucket.
#[derive(Clone, Debug, PartialEq)]
struct Wish {
    bucket: usize,
    role: usize,
    kind: u8,
}

const COUNT: usize = 4;

fn wish() -> impl Strategy<Value = Wish> {
    (0..COUNT, 0..COUNT, 0..5u8).prop_map(|(bucket, role, kind)| Wish { bucket, role, kind })
}

fn grant(bucket: &Bucket, role: &Role, kind: u8) {
    match kind {
        0 => bucket.grant_read(role),
        1 => bucket.grant_put(role),
        2 => bucket.grant_read_write(role),
        3 => bucket.grant_delete(role),
        _ => bucket.grant_on_objects(role, "reports/*", &["s3:GetObject"]),
    }
}

/// Buckets and roles in both accounts, made in an order, with grants in an order.
fn build(order: &[usize], wishes: &[Wish]) -> Assembly {
    let two = Two::new();
    let stack = |index: usize| -> &Stack { if index.is_multiple_of(2) { &two.tools } else { &two.production } };
    let mut made: Vec<Option<(Bucket, Role)>> = vec![None; COUNT];
    for &index in order {
        let key = Key::new(stack(index), &format!("Key{index}"), KeyProps::new().alias(format!("key-{index}")));
        let bucket = Bucket::new(stack(index), &format!("Bucket{index}"), BucketProps::new().encryption_key(&key));
        let service = Principal::service("lambda.amazonaws.com");
        // The other way round, so that a bucket and the role of the same number are in different accounts.
        let role = Role::new(stack(index + 1), &format!("Role{index}"), service, RoleProps::new());
        made[index] = Some((bucket, role));
    }
    let made: Vec<(Bucket, Role)> = made.into_iter().flatten().collect();
    for Wish { bucket, role, kind } in wishes {
        grant(&made[*bucket].0, &made[*role].1, *kind);
    }
    let assembly = two.app.synth().unwrap();
    assert_eq!(templates(&assembly), templates(&two.app.synth().unwrap()), "synthesized twice");
    assembly
}

fn templates(assembly: &Assembly) -> Vec<String> {
    assembly.stacks.iter().map(|it| it.template.to_string()).collect()
}

/// Every logical id that a template refers to.
fn referenced(json: &Json, found: &mut BTreeSet<String>) {
    match json {
        Json::Array(items) => items.iter().for_each(|it| referenced(it, found)),
        Json::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("Ref", Json::String(id)) if !id.starts_with("AWS::") => drop(found.insert(id.clone())),
                    ("Fn::GetAtt", Json::Array(parts)) => drop(found.insert(parts[0].as_str().unwrap().to_owned())),
                    ("DependsOn", Json::Array(ids)) => {
                        found.extend(ids.iter().map(|it| it.as_str().unwrap().to_owned()))
                    }
                    _ => referenced(value, found),
                }
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn order_of_definition_and_grants_is_invisible(
        order in Just((0..COUNT).collect::<Vec<_>>()).prop_shuffle(),
        (wishes, shuffled) in prop::collection::vec(wish(), 0..12)
            .prop_flat_map(|wishes| (Just(wishes.clone()), Just(wishes).prop_shuffle())),
    ) {
        let straight: Vec<usize> = (0..COUNT).collect();
        prop_assert_eq!(templates(&build(&straight, &wishes)), templates(&build(&order, &shuffled)));
    }

    #[test]
    fn a_grant_asked_for_twice_is_given_once(wishes in prop::collection::vec(wish(), 0..8)) {
        let straight: Vec<usize> = (0..COUNT).collect();
        let twice: Vec<Wish> = wishes.iter().chain(&wishes).cloned().collect();
        prop_assert_eq!(templates(&build(&straight, &wishes)), templates(&build(&straight, &twice)));
    }

    #[test]
    fn references_resolve_and_stacks_are_in_order(wishes in prop::collection::vec(wish(), 0..12)) {
        let assembly = build(&(0..COUNT).collect::<Vec<_>>(), &wishes);
        let mut before: BTreeSet<&str> = BTreeSet::new();
        for stack in &assembly.stacks {
            let known: BTreeSet<String> = ["Resources", "Parameters"]
                .iter()
                .filter_map(|it| stack.template[it].as_object())
                .flat_map(|it| it.keys().cloned())
                .collect();
            let mut used = BTreeSet::new();
            referenced(&stack.template, &mut used);
            prop_assert!(used.is_subset(&known), "{:?}", used.difference(&known).collect::<Vec<_>>());
            prop_assert!(stack.dependencies.iter().all(|it| before.contains(it.stack.as_str())));
            for input in &stack.inputs {
                let producer = assembly.stacks.iter().find(|it| it.id == input.from_stack).unwrap();
                prop_assert!(producer.template["Outputs"][&input.output].is_object());
            }
            before.insert(&stack.id);
        }
    }
}

#[test]
fn ids_are_unique_in_a_tree_of_many_constructs() {
    let two = Two::new();
    for index in 0..60 {
        Bucket::new(&two.tools, &format!("Bucket{index}"), BucketProps::new());
        Role::new(&two.tools, &format!("Role{index}"), Principal::service("lambda.amazonaws.com"), RoleProps::new());
    }
    let resources = two.synth().template("Tools")["Resources"].as_object().unwrap().len();
    assert_eq!(resources, 60 * 3);
    assert_eq!(two.tools.node().children().len(), 120);
}
