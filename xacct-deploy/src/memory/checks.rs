//! What services look at before they make or change a resource, beyond its schema.

use serde_json::Value;
use xacct_schema::ResourceType;

use super::elsewhere::{self, Holder};
use super::evaluate::partition;
use super::physical::{self, Owner};
use super::policy;
use super::secret::Secrets;
use super::state::{Resource, Stack, State};
use super::template::scalar_text;

/// Whether a service takes the resource; if not, the reason as CloudFormation reports it.
pub(super) fn acceptable(
    state: &State,
    stack: &Stack,
    logical_id: &str,
    resource: &Resource,
    physical_id: &str,
    is_new: bool,
) -> Result<(), String> {
    let properties = &resource.properties;
    let check = Check { state, stack, logical_id, resource };
    // Generated names are unique.
    let is_named = xacct_schema::resource_type(&resource.resource_type)
        .and_then(ResourceType::name_property)
        .is_some_and(|property| properties.get(property).is_some());
    if is_new && is_named {
        check.name_is_free(physical_id)?;
    }
    match resource.resource_type.as_str() {
        "AWS::IAM::Role" => check.trust_policy(properties),
        "AWS::KMS::Key" => check.key_policy(properties),
        "AWS::S3::BucketPolicy" => check.bucket_policy(properties),
        "AWS::SecretsManager::ResourcePolicy" => check.principals(
            &properties["ResourcePolicy"],
            "This resource policy contains an unsupported principal.",
            "SecretsManager",
        ),
        "AWS::SNS::TopicPolicy" => {
            check.principals(&properties["PolicyDocument"], "Invalid parameter: Policy Error: PrincipalNotFound", "Sns")
        }
        "AWS::SQS::QueuePolicy" => {
            check.principals(&properties["PolicyDocument"], "Invalid value for the parameter Policy.", "Sqs")
        }
        "AWS::CodePipeline::Pipeline" => check.pipeline(properties),
        "AWS::CodeBuild::Project" => check.project(properties),
        "AWS::Lambda::Function" => check.function(properties),
        _ => Ok(()),
    }
}

/// Whether a service lets the resource go.
pub(super) fn deletable(state: &State, resource: &Resource) -> Result<(), String> {
    let id = resource.physical_id.as_deref().unwrap_or_default();
    let content = state.buckets.get(id).is_some_and(|bucket| !bucket.objects.is_empty());
    if resource.resource_type == "AWS::S3::Bucket" && content {
        return Err(handler_message(
            "The bucket you tried to delete is not empty (Service: S3, Status Code: 409, Request ID: 0000000000000000) (SDK Attempt Count: 1)",
            "GeneralServiceException",
        ));
    }
    Ok(())
}

fn handler_message(message: &str, code: &str) -> String {
    let message = Secrets::mask(message);
    format!(
        "Resource handler returned message: \"{message}\" (RequestToken: 00000000-0000-4000-a000-000000000000, HandlerErrorCode: {code})"
    )
}

fn service_error(message: &str, service: &str, code: &str) -> String {
    handler_message(
        &format!("{message} (Service: {service}, Status Code: 400, Request ID: 00000000-0000-4000-a000-000000000000)"),
        code,
    )
}

struct Check<'a> {
    state: &'a State,
    stack: &'a Stack,
    logical_id: &'a str,
    resource: &'a Resource,
}

impl Check<'_> {
    fn name_is_free(&self, physical_id: &str) -> Result<(), String> {
        let resource_type = self.resource.resource_type.as_str();
        if !has_unique_name(resource_type) {
            return Ok(());
        }
        let except = (self.stack.id.as_str(), self.logical_id);
        match elsewhere::holder(self.state, &self.stack.environment, resource_type, physical_id, except) {
            None => Ok(()),
            Some(Holder::Stack(id)) => Err(format!("{physical_id} already exists in stack {id}")),
            Some(Holder::Outside) => Err(handler_message(
                &format!("Resource of type '{resource_type}' with identifier '{physical_id}' already exists."),
                "AlreadyExists",
            )),
        }
    }

    /// Refuses principals that do not exist.
    fn principals(&self, document: &Value, message: &str, service: &str) -> Result<(), String> {
        match self.strangers(document).next() {
            None => Ok(()),
            Some(_) => Err(service_error(message, service, "InvalidRequest")),
        }
    }

    fn strangers<'d>(&self, document: &'d Value) -> impl Iterator<Item = &'d str> {
        policy::aws_principals(document).into_iter().filter(|it| !elsewhere::principal_exists(self.state, it))
    }

    fn trust_policy(&self, properties: &Value) -> Result<(), String> {
        match self.strangers(&properties["AssumeRolePolicyDocument"]).next() {
            None => Ok(()),
            Some(stranger) => {
                let message = format!("Invalid principal in policy: \\\"AWS\\\":\\\"{stranger}\\\"");
                Err(service_error(&message, "Iam", "InvalidRequest"))
            }
        }
    }

    fn key_policy(&self, properties: &Value) -> Result<(), String> {
        let document = &properties["KeyPolicy"];
        if document.is_null() {
            return Ok(());
        }
        self.principals(document, "Policy contains a statement with one or more invalid principals.", "Kms")?;
        if policy::keeps_key_manageable(document)
            || properties.get("BypassPolicyLockoutSafetyCheck").is_some_and(|it| scalar_text(it) == "true")
        {
            return Ok(());
        }
        let message = "The new key policy will not allow you to update the key policy in the future.";
        Err(service_error(message, "Kms", "InvalidRequest"))
    }

    fn bucket_policy(&self, properties: &Value) -> Result<(), String> {
        let bucket = properties.get("Bucket").map(scalar_text).unwrap_or_default();
        match elsewhere::bucket_home(self.state, &bucket) {
            None => return Err(service_error("The specified bucket does not exist", "S3", "NotFound")),
            Some(home) if home.account != self.stack.environment.account => {
                return Err(service_error("Access Denied", "S3", "AccessDenied"));
            }
            Some(_) => {}
        }
        self.principals(&properties["PolicyDocument"], "Invalid principal in policy", "S3")
    }

    /// CodePipeline checks that it can assume its role, and that its role can assume every action's role.
    fn pipeline(&self, properties: &Value) -> Result<(), String> {
        let role = properties.get("RoleArn").map(scalar_text).unwrap_or_default();
        let refuse = |who: &str, target: &str| {
            Err(service_error(
                &format!("{who} is not authorized to perform AssumeRole on role {target}"),
                "CodePipeline",
                "InvalidRequest",
            ))
        };
        if !self.service_may_assume(&role, "codepipeline.amazonaws.com") {
            return refuse("CodePipeline", &role);
        }
        let policies = elsewhere::identity_policies(self.state, &role);
        for stage in properties["Stages"].as_array().into_iter().flatten() {
            for action in stage["Actions"].as_array().into_iter().flatten() {
                let Some(target) = action.get("RoleArn").map(scalar_text) else { continue };
                let trusted = elsewhere::find_role(self.state, &target)
                    .is_some_and(|it| policy::trusts(&it["AssumeRolePolicyDocument"], &role));
                let allowed = policies.iter().any(|it| policy::allows(it, "sts:AssumeRole", Some(&target)));
                if !trusted || !allowed {
                    return refuse(&role, &target);
                }
            }
        }
        Ok(())
    }

    fn project(&self, properties: &Value) -> Result<(), String> {
        let role = properties.get("ServiceRole").map(scalar_text).unwrap_or_default();
        if self.service_may_assume(&role, "codebuild.amazonaws.com") {
            return Ok(());
        }
        let arn = self.role_arn(&role);
        Err(service_error(
            &format!("CodeBuild is not authorized to perform: sts:AssumeRole on {arn}"),
            "CodeBuild",
            "InvalidRequest",
        ))
    }

    fn function(&self, properties: &Value) -> Result<(), String> {
        let role = properties.get("Role").map(scalar_text).unwrap_or_default();
        if self.service_may_assume(&role, "lambda.amazonaws.com") {
            return Ok(());
        }
        let message = "The role defined for the function cannot be assumed by Lambda.";
        Err(service_error(message, "Lambda", "InvalidRequest"))
    }

    fn service_may_assume(&self, role: &str, service: &str) -> bool {
        elsewhere::find_role(self.state, &self.role_arn(role))
            .is_some_and(|it| policy::trusts_service(&it["AssumeRolePolicyDocument"], service))
    }

    /// CodeBuild takes a role's name, too.
    fn role_arn(&self, role: &str) -> String {
        if role.starts_with("arn:") {
            return role.to_owned();
        }
        let environment = &self.stack.environment;
        format!("arn:{}:iam::{}:role/{role}", partition(&environment.region), environment.account)
    }
}

/// Whether no two resources of a type may have the same physical id: those whose name is their identifier.
fn has_unique_name(resource_type: &str) -> bool {
    // An inline policy belongs to its role, a bucket policy to its bucket.
    !matches!(
        resource_type,
        "AWS::IAM::Policy" | "AWS::IAM::RolePolicy" | "AWS::IAM::UserPolicy" | "AWS::S3::BucketPolicy"
    ) && xacct_schema::resource_type(resource_type).is_some_and(|schema| schema.name_property().is_some())
}

/// The physical ids that a template gives, of those that must be free.
pub(super) fn given_name(stack: &Stack, logical_id: &str, schema: ResourceType, properties: &Value) -> Option<String> {
    let property = schema.name_property().filter(|_| has_unique_name(schema.name()))?;
    let given = properties.get(property)?.as_str()?;
    if given.starts_with('\u{27e6}') {
        return None;
    }
    let owner = Owner { environment: &stack.environment, stack_name: &stack.name, logical_id, serial: 0 };
    Some(physical::physical_id(&owner, schema.name(), properties))
}
