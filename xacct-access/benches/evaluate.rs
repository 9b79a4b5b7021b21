//! How many requests one core decides in a second, on policies like those of the cross-account pipeline.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use xacct_access::{Context, Policies, Policy, PolicyKind, Principal, Request, Symbol, SymbolKind, evaluate, verdict};

const TOOLS: &str = "111111111111";
const PROD: &str = "222222222222";

fn policy(kind: PolicyKind, name: &str, statements: &str) -> Policy {
    let text = format!(r#"{{"Version": "2012-10-17", "Statement": {statements}}}"#);
    Policy::parse(kind, name, &text).expect("the bench's policies are valid")
}

fn build_policy() -> Policy {
    policy(
        PolicyKind::Identity,
        "build",
        r#"[
        {"Effect": "Allow", "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
         "Resource": ["arn:aws:logs:eu-west-1:222222222222:log-group:/aws/codebuild/app",
                      "arn:aws:logs:eu-west-1:222222222222:log-group:/aws/codebuild/app:*"]},
        {"Effect": "Allow", "Action": ["codebuild:CreateReportGroup", "codebuild:CreateReport", "codebuild:UpdateReport"],
         "Resource": "arn:aws:codebuild:eu-west-1:222222222222:report-group/app-*"},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": "arn:aws:s3:::artifacts/*",
         "Condition": {"StringEquals": {"aws:ResourceAccount": "111111111111"}}},
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:eu-west-1:111111111111:key/*",
         "Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/xacct-artifacts"},
                       "StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}}]"#,
    )
}

fn bucket_policy() -> Policy {
    policy(
        PolicyKind::Resource,
        "artifacts",
        r#"[
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*",
         "Resource": ["arn:aws:s3:::artifacts", "arn:aws:s3:::artifacts/*"],
         "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:root"},
         "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": "arn:aws:s3:::artifacts/*",
         "Condition": {"ArnEquals": {"aws:PrincipalArn": ["arn:aws:iam::222222222222:role/xacct-prod-build"]}}}]"#,
    )
}

fn key_policy() -> Policy {
    policy(
        PolicyKind::Resource,
        "key",
        r#"[
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:root"},
         "Action": ["kms:Decrypt", "kms:DescribeKey"], "Resource": "*",
         "Condition": {"ArnEquals": {"aws:PrincipalArn": ["arn:aws:iam::222222222222:role/xacct-prod-build"]}}}]"#,
    )
}

fn requests() -> [(&'static str, Request); 4] {
    let build = Principal::role(format!("arn:aws:iam::{PROD}:role/xacct-prod-build"));
    let context = Context::open()
        .with("aws:SecureTransport", "true")
        .with("kms:ViaService", "s3.eu-west-1.amazonaws.com")
        .with_values("kms:ResourceAliases", ["alias/xacct-artifacts"]);
    let object = Symbol::new("any object", SymbolKind::Text);
    let key = Symbol::new("Tools:Key", SymbolKind::Id);
    let request = |action: &str, resource: xacct_access::Text| {
        Request::new(build.clone(), action.parse().expect("it is an action"), resource).in_context(context.clone())
    };
    [
        (
            "object across accounts, allowed",
            request("s3:GetObject", xacct_access::Text::from("arn:aws:s3:::artifacts/").with(object)).owned_by(TOOLS),
        ),
        (
            "literal object, allowed",
            request("s3:GetObject", "arn:aws:s3:::artifacts/app/source.zip".into()).owned_by(TOOLS),
        ),
        (
            "key across accounts, allowed",
            request("kms:Decrypt", xacct_access::Text::from("arn:aws:kms:eu-west-1:111111111111:key/").with(key)),
        ),
        ("object, denied", request("s3:PutObject", "arn:aws:s3:::artifacts/app/source.zip".into()).owned_by(TOOLS)),
    ]
}

fn bench(criterion: &mut Criterion) {
    let (build, bucket, key) = (build_policy(), bucket_policy(), key_policy());
    let boundary = policy(PolicyKind::Identity, "boundary", r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#);
    let scp = policy(PolicyKind::ServiceControl, "scp", r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#);
    let policies = |resource| Policies {
        identity: vec![&build],
        boundary: Some(&boundary),
        resource: Some(resource),
        scps: vec![vec![&scp], vec![&scp]],
        ..Policies::default()
    };
    let (on_bucket, on_key) = (policies(&bucket), policies(&key));
    let mut group = criterion.benchmark_group("requests");
    group.throughput(Throughput::Elements(1));
    for (name, request) in requests() {
        let policies = if request.action.service() == "kms" { &on_key } else { &on_bucket };
        group.bench_function(format!("verdict: {name}"), |bencher| {
            bencher.iter(|| verdict(black_box(policies), black_box(&request)));
        });
    }
    let (name, request) = &requests()[0];
    group.bench_function(format!("evaluate with grounds: {name}"), |bencher| {
        bencher.iter(|| evaluate(black_box(&on_bucket), black_box(request)));
    });
    group.finish();

    let text = include_str!("pipeline-policy.json");
    let mut group = criterion.benchmark_group("documents");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("parse", |bencher| {
        bencher.iter(|| Policy::parse(PolicyKind::Identity, "pipeline", black_box(text)));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
