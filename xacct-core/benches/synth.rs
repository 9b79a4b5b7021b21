//! Synthesis of 20 stacks with 450 resources each, in two accounts, with grants across the border; with and without
//! validation.
#![allow(missing_docs, reason = "criterion's macros make items without documentation")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use xacct_core::value::Props;
use xacct_core::{
    AccountId, App, Construct, Environment, Expr, Grant, Node, PhysicalName, PolicySlot, Principal, Region, Stack,
    StackProps, Statement, Value,
};

const ACCOUNTS: [AccountId; 2] = [AccountId::literal("111111111111"), AccountId::literal("222222222222")];

/// 150 times a topic with its policy, and a queue.
fn define(stacks: usize, groups: usize) -> App {
    let app = App::new();
    for index in 0..stacks {
        let environment = Environment::new(ACCOUNTS[index % 2], Region::literal("eu-west-1"));
        let stack = Stack::new(&app, &format!("Stack{index}"), environment, StackProps::new());
        for group in 0..groups {
            let node = stack.node().child(&format!("Group{group}"));
            let topic = Node::new_resource(&node, "Topic", "AWS::SNS::Topic", Props::default());
            topic.set_physical_name(
                PhysicalName::new("TopicName", None).reference("arn:{partition}:sns:{region}:{account}:{name}"),
            );
            let arn: Value<str> = topic.reference();
            let mut policy = Props::default();
            policy.set("PolicyDocument", node.policy(PolicySlot::Resource).into_expr());
            policy.set("Topics", Expr::List(vec![arn.clone().into_expr()]));
            Node::new_resource(&node, "Policy", "AWS::SNS::TopicPolicy", policy);
            let events = Principal::service("events.amazonaws.com");
            node.add_statement(PolicySlot::Resource, Statement::allow(["sns:Publish"]).on([&arn]).to(events));
            Grant::new(&node, &ACCOUNTS[(index + 1) % 2], ["sns:Publish"]).in_policy([&arn]).record();
            let mut queue = Props::default();
            queue.set("DelaySeconds", Expr::Int(3));
            Node::new_resource(&node, "Queue", "AWS::SQS::Queue", queue);
        }
    }
    app
}

fn synth(c: &mut Criterion) {
    let mut group = c.benchmark_group("20 stacks of 450 resources");
    group.sample_size(10).throughput(Throughput::Elements(9_000));
    group.bench_function("define", |b| b.iter(|| define(black_box(20), black_box(150))));
    let app = define(20, 150);
    group.bench_function("synth", |b| b.iter(|| app.synth()));
    app.skip_validation();
    group.bench_function("synth without validation", |b| b.iter(|| app.synth()));
    let assembly = app.synth();
    group.bench_function("write", |b| {
        let folder = std::env::temp_dir().join("xacct-bench");
        b.iter_batched(
            || folder.clone(),
            |folder| assembly.as_ref().map(|it| it.write(&folder).map(|_| ())),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, synth);
criterion_main!(benches);
