//! A template that is deployed, as CloudFormation gives it back: the text that somebody uploaded, in JSON or YAML, by whatever tool.

use serde_json::Value;

/// CDK's CLI puts this resource beside those of the program, with a condition; it says which constructs were used, and makes nothing.
const METADATA_TYPE: &str = "AWS::CDK::Metadata";
const METADATA_CONDITION: &str = "CDKMetadataAvailable";

/// The template in a text, without CDK's metadata; or what cannot be read.
pub(crate) fn read(text: &str) -> Result<Value, xacct_core::include::TemplateError> {
    xacct_core::include::parse(text).map(without_metadata)
}

/// The template without CDK's metadata, by which no deployment differs from another.
pub(crate) fn without_metadata(mut template: Value) -> Value {
    let mut drop_from = |section: &str, is_metadata: &dyn Fn(&str, &Value) -> bool| {
        let Some(entries) = template.get_mut(section).and_then(Value::as_object_mut) else { return };
        entries.retain(|name, entry| !is_metadata(name, entry));
        if entries.is_empty() && section == "Conditions" {
            template.as_object_mut().map(|it| it.shift_remove(section));
        }
    };
    drop_from("Resources", &|_, resource| resource.get("Type").is_some_and(|it| it == METADATA_TYPE));
    drop_from("Conditions", &|name, _| name == METADATA_CONDITION);
    template
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_form_of_a_template_makes_no_difference() {
        let yaml = "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n    Properties: {DisplayName: !Sub '${AWS::StackName}!'}\n  \
                    CDKMetadata: {Type: AWS::CDK::Metadata, Condition: CDKMetadataAvailable}\nConditions:\n  \
                    CDKMetadataAvailable: !Equals [!Ref AWS::Region, eu-west-1]\n";
        let same = json!({"Resources": {"Topic": {"Type": "AWS::SNS::Topic",
            "Properties": {"DisplayName": {"Fn::Sub": "${AWS::StackName}!"}}}}});
        assert_eq!(read(yaml).unwrap(), same);
        assert_eq!(read(&serde_json::to_string_pretty(&same).unwrap()).unwrap(), same);
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        assert!(read("Resources: [").is_err());
    }
}
