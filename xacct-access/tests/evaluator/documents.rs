//! How documents are read: what is refused (`tests/documents/refused.txt`), and what CloudFormation's functions become.

use serde_json::{Value, json};
use xacct_access::{
    Effect, Environment, Expression, Policy, PolicyErrors, PolicyKind, Symbol, SymbolKind, Text, Unresolved, Version,
};

/// Blocks of `### KIND: title`, the document, `---`, and every error as it is printed.
#[test]
fn documents_that_are_refused() {
    let mut failures = Vec::new();
    let blocks = include_str!("../documents/refused.txt").split("### ").skip(1);
    for block in blocks {
        let (head, rest) = block.split_once('\n').unwrap();
        let (document, expected) = rest.split_once("\n---\n").unwrap();
        let (kind, title) = head.split_once(": ").unwrap();
        let actual = match read(kind, document) {
            Ok(_) => "it is accepted".to_owned(),
            Err(errors) => errors.to_string(),
        };
        if actual != expected.trim_end() {
            failures.push(format!("{title}\n{actual}\ninstead of\n{expected}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn read(kind: &str, document: &str) -> Result<Policy, PolicyErrors> {
    let kind = match kind {
        "identity" => PolicyKind::Identity,
        "resource" => PolicyKind::Resource,
        "trust" => PolicyKind::Trust,
        "scp" => PolicyKind::ServiceControl,
        "rcp" => PolicyKind::ResourceControl,
        _ => {
            let environment = Environment::default();
            return Policy::parse_template(PolicyKind::Identity, "p", document, &environment, &Unresolved);
        }
    };
    Policy::parse(kind, "p", document)
}

#[test]
fn nesting_is_refused_before_the_stack_ends() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let errors = Policy::parse(PolicyKind::Identity, "p", &deep).unwrap_err();
    assert_eq!(errors.errors[0].message, "the document is nested too deeply: no policy needs that");
    let mut value = json!("x");
    for _ in 0..200 {
        value = json!([value]);
    }
    assert!(Policy::from_value(PolicyKind::Identity, "p", &value).is_err());
}

#[test]
fn everything_in_a_document_can_be_read_back() {
    let text = r#"{
  "Version": "2012-10-17",
  "Id": "artifacts",
  "Statement": [{
    "Sid": "Read",
    "Effect": "Allow",
    "Principal": {"AWS": "222222222222"},
    "Action": ["s3:GetObject", "s3:GetObjectVersion"],
    "NotResource": "arn:aws:s3:::b/private/*",
    "Condition": {"ForAnyValue:StringLike": {"aws:TagKeys": ["a*", "b"]}}
  }]
}"#;
    let policy = Policy::parse(PolicyKind::Resource, "bucket", text).unwrap();
    assert_eq!((policy.name(), policy.kind(), policy.version()), ("bucket", PolicyKind::Resource, Version::V2012));
    assert_eq!(policy.id(), Some(&Text::from("artifacts")));
    let statement = &policy.statements()[0];
    assert_eq!(statement.sid(), Some(&Text::from("Read")));
    assert_eq!((statement.index(), statement.effect(), statement.is_certain()), (0, Effect::Allow, true));
    let actions: Vec<String> = statement.actions().patterns.iter().map(ToString::to_string).collect();
    assert_eq!(actions, ["s3:GetObject", "s3:GetObjectVersion"]);
    assert!(statement.resources().is_some_and(|resources| resources.negated));
    assert_eq!(statement.actions().patterns[1].position().to_string(), "8:32 (/Statement/0/Action/1)");
    assert_eq!(statement.principals().unwrap().entries[0].named.to_string(), "account 222222222222");
    assert_eq!(statement.principals().unwrap().entries[0].position.to_string(), "7:26 (/Statement/0/Principal/AWS)");
    let condition = &statement.conditions()[0];
    assert_eq!((condition.operator(), condition.key()), ("ForAnyValue:StringLike", "aws:TagKeys"));
    assert_eq!(condition.values().map(ToString::to_string).collect::<Vec<_>>(), ["a*", "b"]);
    assert_eq!(condition.position().to_string(), "10:46 (/Statement/0/Condition/ForAnyValue:StringLike/aws:TagKeys)");
    assert!(!condition.holds_without_key());
}

/// The text that an expression becomes, in the stack `Tools` in 111111111111, where the bucket's name is known.
fn text_of(expression: Value) -> String {
    let names = |expression: Expression<'_>| match expression {
        Expression::Ref("Bucket") => Some(Text::from("artifacts")),
        Expression::GetAtt("Bucket", "Arn") => Some(Text::from("arn:aws:s3:::artifacts")),
        Expression::GetAtt("Key", "Arn") => {
            let key = Symbol::new("Tools:Key", SymbolKind::Id);
            Some(Text::from("arn:aws:kms:eu-west-1:111111111111:key/").with(key))
        }
        Expression::Function(value) if value.get("Fn::ImportValue").is_some() => {
            Some(Text::from("arn:aws:sqs:::imported"))
        }
        _ => None,
    };
    let condition = json!({"StringEquals": {"x:k": expression}});
    let statement = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition});
    let document = json!({"Version": "2012-10-17", "Statement": statement});
    let environment = Environment::new("Tools", "111111111111", "eu-west-1");
    let policy = Policy::from_template(PolicyKind::Identity, "p", &document, &environment, &names).unwrap();
    policy.statements()[0].conditions()[0].values().next().unwrap().to_string()
}

#[test]
fn functions_become_what_is_known_of_them() {
    let cases = [
        (json!({"Fn::GetAtt": ["Bucket", "Arn"]}), "arn:aws:s3:::artifacts"),
        (json!({"Fn::GetAtt": "Bucket.Arn"}), "arn:aws:s3:::artifacts"),
        (
            json!({"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":s3:::", {"Ref": "Bucket"}]]}),
            "arn:aws:s3:::artifacts",
        ),
        (json!({"Fn::Sub": "arn:${AWS::Partition}:s3:::${Bucket}/*"}), "arn:aws:s3:::artifacts/*"),
        (json!({"Fn::Sub": "${Bucket.Arn}/${!aws:username}/*"}), "arn:aws:s3:::artifacts/${aws:username}/*"),
        (json!({"Fn::Sub": ["arn:aws:s3:::${Name}", {"Name": {"Ref": "Bucket"}}]}), "arn:aws:s3:::artifacts"),
        (json!({"Fn::Sub": "arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:q"}), "arn:aws:sqs:eu-west-1:111111111111:q"),
        (json!({"Fn::Sub": "arn:aws:x:::${AWS::URLSuffix}"}), "arn:aws:x:::amazonaws.com"),
        (json!({"Fn::Select": [1, ["a", {"Ref": "Bucket"}]]}), "artifacts"),
        (json!({"Fn::Select": [5, {"Fn::Split": [":", {"Fn::GetAtt": ["Key", "Arn"]}]}]}), "key/‹Tools:Key›"),
        (json!({"Fn::Select": [1, {"Fn::Split": ["/", {"Fn::GetAtt": ["Key", "Arn"]}]}]}), "‹Tools:Key›"),
        (json!({"Fn::ImportValue": "queue"}), "arn:aws:sqs:::imported"),
        (json!({"Ref": "Other"}), "‹Tools:Other›"),
        (json!({"Fn::GetAtt": ["Other", "Arn"]}), "‹Tools:Other.Arn›"),
        (json!({"Fn::Sub": "${Other.Arn}/*"}), "‹Tools:Other.Arn›/*"),
        (json!({"Fn::FindInMap": ["a", "b", "c"]}), r#"‹Tools:{"Fn::FindInMap":["a","b","c"]}›"#),
        (json!({"Fn::Select": [9, ["a"]]}), r#"‹Tools:{"Fn::Select":[9,["a"]]}›"#),
        (json!({"Fn::Sub": "${Open"}), r#"‹Tools:{"Fn::Sub":"${Open"}›"#),
    ];
    for (expression, expected) in cases {
        assert_eq!(text_of(expression.clone()), expected, "{expression}");
    }
}

#[test]
fn the_same_reference_in_two_stacks_is_not_the_same_symbol() {
    let document = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "s3:*", "Resource": {"Ref": "Bucket"}}});
    let read = |scope: &str| {
        let environment = Environment::new(scope, "111111111111", "eu-west-1");
        let policy = Policy::from_template(PolicyKind::Identity, "p", &document, &environment, &Unresolved).unwrap();
        policy.statements()[0].resources().unwrap().patterns[0].text().clone()
    };
    assert_eq!(read("Tools"), read("Tools"));
    assert_ne!(read("Tools"), read("Prod"));
}
