//! How long validation takes: a template of 500 resources of 80 types, and looking a type up.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use xacct_schema::resource_type;
use xacct_schema::validate::template;

const RESOURCES: usize = 500;

/// Each resource refers to the one before it and has its own name.
fn large_template() -> Value {
    let right: Vec<Value> = serde_json::from_str(include_str!("../tests/corpus/right.json")).unwrap_or_default();
    let resources: serde_json::Map<String, Value> = (0..RESOURCES)
        .map(|index| {
            let mut resource = right[index % right.len()].clone();
            let kind = resource_type(resource["Type"].as_str().unwrap_or_default());
            for name in kind.into_iter().flat_map(|kind| kind.primary_identifier().chain(kind.name_property())) {
                if resource["Properties"][name].is_string() {
                    resource["Properties"][name] = json!({ "Fn::Sub": format!("${{AWS::StackName}}-{index}") });
                }
            }
            if index > 0 {
                resource["DependsOn"] = json!(format!("Resource{}", index - 1));
            }
            (format!("Resource{index}"), resource)
        })
        .collect();
    json!({ "Resources": resources })
}

fn bench(criterion: &mut Criterion) {
    let large = large_template();
    assert_eq!(template(&large, Some("eu-west-1")), []);
    let mut group = criterion.benchmark_group("validate");
    group.throughput(Throughput::Elements(RESOURCES as u64));
    group.bench_function("500 resources", |bencher| bencher.iter(|| template(black_box(&large), Some("eu-west-1"))));
    group.finish();
    criterion.bench_function("look a type up", |bencher| {
        bencher.iter(|| resource_type(black_box("AWS::Lambda::Function")));
    });
    criterion.bench_function("look an action up", |bencher| {
        bencher.iter(|| xacct_schema::actions::is_known(black_box("s3:GetObject")));
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
