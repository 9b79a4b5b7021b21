//! Where a stack is on the pages of AWS's console, for those who would rather click.

use xacct_core::Region;
use xacct_deploy::Environment;

/// The page of a stack, by its ARN. None in partitions whose console is not on the internet.
pub(crate) fn stack_page(environment: &Environment, stack_id: &str) -> Option<String> {
    let region = &environment.region;
    let domain = match Region::unlisted(region).partition() {
        "aws" => "console.aws.amazon.com",
        "aws-cn" => "console.amazonaws.cn",
        "aws-us-gov" => "console.amazonaws-us-gov.com",
        "aws-eusc" => "console.amazonaws-eusc.eu",
        _ => return None,
    };
    let id = stack_id.replace(':', "%3A").replace('/', "%2F");
    Some(format!("https://{region}.{domain}/cloudformation/home?region={region}#/stacks/stackinfo?stackId={id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_a_console_of_its_own() {
        let check = |region: &str, expected: Option<&str>| {
            let environment = Environment { account: "111111111111".into(), region: region.into() };
            let page = stack_page(&environment, "arn:x:cloudformation:r:1:stack/S/u");
            assert_eq!(page.as_deref(), expected, "{region}");
        };
        check(
            "eu-west-1",
            Some(
                "https://eu-west-1.console.aws.amazon.com/cloudformation/home?region=eu-west-1#/stacks/stackinfo?stackId=arn%3Ax%3Acloudformation%3Ar%3A1%3Astack%2FS%2Fu",
            ),
        );
        check(
            "cn-north-1",
            Some(
                "https://cn-north-1.console.amazonaws.cn/cloudformation/home?region=cn-north-1#/stacks/stackinfo?stackId=arn%3Ax%3Acloudformation%3Ar%3A1%3Astack%2FS%2Fu",
            ),
        );
        check("us-iso-east-1", None);
    }
}
