//! What a pipeline needs. See
//! [the service role](https://docs.aws.amazon.com/codepipeline/latest/userguide/how-to-custom-role.html).

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Bucket, For, Goals, identity, some};
use crate::estate::Site;
use crate::request::Context;
use crate::text::Text;

/// Where a pipeline keeps what its actions pass on.
struct Store {
    bucket: Bucket,
    /// By region; the key of a single store stands under the pipeline's own.
    region: Option<String>,
}

pub(super) fn goals(goals: &mut Goals<'_, '_>, site: &Site, pipeline: &Json) {
    let Some(service_role) = goals.text(site, &pipeline["RoleArn"]) else { return };
    let arn = goals.estate.resource_at(site).map(|it| it.arn.clone());
    // CodePipeline's trust takes no source condition: AWS's own examples have none.
    goals.trusts_service(&service_role, "codepipeline.amazonaws.com", site, None, "RoleArn", "to run the pipeline");
    let stores = stores(goals, site, pipeline);
    for store in &stores {
        let on = For::new(identity(&service_role), site, "ArtifactStore", "to pass on artifacts");
        goals.on_bucket(&on, &["s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning"], &store.bucket);
        goals.on_object(&on, &ON_ARTIFACTS, &store.bucket, &artifact(arn.as_ref()));
    }
    for (stage_index, stage) in list(&pipeline["Stages"]) {
        for (index, action) in list(&stage["Actions"]) {
            let property = format!("Stages[{stage_index}].Actions[{index}]");
            let name = format!(
                "`{}` of stage `{}`",
                action["Name"].as_str().unwrap_or_default(),
                stage["Name"].as_str().unwrap_or_default()
            );
            Action {
                site,
                pipeline: arn.as_ref(),
                service_role: &service_role,
                stores: &stores,
                action,
                property,
                name,
            }
            .goals(goals);
        }
    }
}

/// What the service does with artifacts itself, whatever the actions are: what AWS calls the minimum for
/// [managing pipelines](https://docs.aws.amazon.com/codepipeline/latest/userguide/how-to-custom-role.html#how-to-custom-role-policy).
const ON_ARTIFACTS: [&str; 7] = [
    "s3:GetObject",
    "s3:GetObjectTagging",
    "s3:GetObjectVersion",
    "s3:GetObjectVersionTagging",
    "s3:PutObject",
    "s3:PutObjectAcl",
    "s3:PutObjectTagging",
];

/// The key of some artifact of a pipeline.
fn artifact(pipeline: Option<&Text>) -> Text {
    some(&format!("{} artifact", pipeline.map(ToString::to_string).unwrap_or_default()))
}

fn list(json: &Json) -> impl Iterator<Item = (usize, &Json)> {
    json.as_array().into_iter().flatten().enumerate()
}

fn stores(goals: &Goals<'_, '_>, site: &Site, pipeline: &Json) -> Vec<Store> {
    let single = pipeline.get("ArtifactStore").map(|it| (it, None));
    let several = list(&pipeline["ArtifactStores"])
        .map(|(_, it)| (&it["ArtifactStore"], it["Region"].as_str().map(str::to_owned)));
    single
        .into_iter()
        .chain(several)
        .filter_map(|(store, region)| {
            let name = goals.text(site, &store["Location"])?;
            let mut bucket = goals.bucket(site, &name);
            // The key that the pipeline names wins over the bucket's own.
            if let Some(key) = goals.text(site, &store["EncryptionKey"]["Id"]) {
                bucket.key = Some(goals.key_arn(&key));
            }
            Some(Store { bucket, region })
        })
        .collect()
}

struct Action<'x> {
    site: &'x Site,
    pipeline: Option<&'x Text>,
    service_role: &'x Text,
    stores: &'x [Store],
    action: &'x Json,
    property: String,
    name: String,
}

impl Action<'_> {
    fn goals(&self, goals: &mut Goals<'_, '_>) {
        let role = goals.text(self.site, &self.action["RoleArn"]);
        if let Some(role) = &role {
            let on = self.on(self.service_role, "to run the action");
            goals.add(&on, &["sts:AssumeRole"], role, None, Context::open());
        }
        let role = role.unwrap_or_else(|| self.service_role.clone());
        let kind = &self.action["ActionTypeId"];
        let configuration = &self.action["Configuration"];
        match (kind["Category"].as_str(), kind["Provider"].as_str()) {
            (_, Some("CodeCommit")) => self.code_commit(goals, &role, configuration),
            (_, Some("CodeBuild")) => self.code_build(goals, &role, configuration),
            (_, Some("CodeStarSourceConnection")) => {
                if let Some(connection) = goals.text(self.site, &configuration["ConnectionArn"]) {
                    let on = self.on(&role, "to fetch the source");
                    // The service's prefix was renamed; the connection's ARN tells which one it is under.
                    let renamed = connection.arn_part(2).is_some_and(|it| it.is("codeconnections"));
                    let action =
                        if renamed { "codeconnections:UseConnection" } else { "codestar-connections:UseConnection" };
                    goals.add(&on, &[action], &connection, None, Context::open());
                }
                self.artifacts(goals, &role, false, true);
            }
            (Some("Source"), Some("S3")) => {
                if let Some(name) = goals.text(self.site, &configuration["S3Bucket"]) {
                    let bucket = goals.bucket(self.site, &name);
                    let on = self.on(&role, "to fetch the source");
                    let key = goals.text(self.site, &configuration["S3ObjectKey"]).unwrap_or_else(|| some("source"));
                    goals.on_bucket(&on, &["s3:GetBucketVersioning"], &bucket);
                    goals.on_object(&on, &["s3:GetObject", "s3:GetObjectVersion"], &bucket, &key);
                }
                self.artifacts(goals, &role, false, true);
            }
            (Some("Approval"), _) => {
                if let Some(topic) = goals.text(self.site, &configuration["NotificationArn"]) {
                    goals.on_topic(&self.on(&role, "to ask for the approval"), &topic);
                }
            }
            (_, Some("CloudFormation")) => self.cloud_formation(goals, &role, configuration),
            _ => {}
        }
    }

    fn on(&self, who: &Text, purpose: &str) -> For<'_> {
        For::new(identity(who), self.site, self.property.as_str(), format!("{purpose} {}", self.name))
    }

    /// <https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeCommit.html>
    fn code_commit(&self, goals: &mut Goals<'_, '_>, role: &Text, configuration: &Json) {
        let Some(name) = goals.text(self.site, &configuration["RepositoryName"]) else { return };
        let Some(stack) = goals.estate.stack(self.site) else { return };
        let environment = &stack.environment;
        // A source action is in the pipeline's region; its repository is in the account of its role.
        let account = role.arn_part(4).unwrap_or_else(|| environment.account.as_str().into());
        let repository =
            Text::from(format!("arn:{}:codecommit:{}:", environment.region.partition(), environment.region))
                .with(account)
                .with(":")
                .with(name);
        let on = self.on(role, "to fetch the source for");
        let mut actions = vec!["codecommit:GetBranch", "codecommit:GetCommit"];
        if configuration["OutputArtifactFormat"] == "CODEBUILD_CLONE_REF" {
            actions.push("codecommit:GetRepository");
        } else {
            actions.extend([
                "codecommit:UploadArchive",
                "codecommit:GetUploadArchiveStatus",
                "codecommit:CancelUploadArchive",
            ]);
        }
        goals.add(&on, &actions, &repository, None, Context::open());
        self.artifacts(goals, role, false, true);
    }

    /// <https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeBuild.html>
    fn code_build(&self, goals: &mut Goals<'_, '_>, role: &Text, configuration: &Json) {
        let Some(name) = goals.text(self.site, &configuration["ProjectName"]) else { return };
        let account = role.arn_part(4);
        let project = goals.estate.resources.iter().find(|it| {
            it.kind == "AWS::CodeBuild::Project"
                && account.as_ref().is_none_or(|account| account.is(&it.account))
                && it.arn.arn_part(5).is_some_and(|part| part == Text::from("project/").with(name.clone()))
        });
        let Some(project) = project.cloned() else { return };
        let on = self.on(role, "to start the build of");
        let actions = ["codebuild:StartBuild", "codebuild:BatchGetBuilds", "codebuild:StopBuild"];
        goals.add(&on, &actions, &project.arn, None, Context::open());
        let properties = goals.estate.properties(&project.site);
        let Some(build_role) = goals.text(&project.site, &properties["ServiceRole"]) else { return };
        self.artifacts(goals, &build_role, true, true);
        let mut variables = variables(configuration);
        for (_, variable) in list(&properties["Environment"]["EnvironmentVariables"]) {
            if let Some(name) = variable["Name"].as_str() {
                variables.entry(name.to_owned()).or_insert_with(|| variable["Value"].clone());
            }
        }
        super::build::terraform_state(
            goals,
            &self.on(&build_role, "for Terraform's state in"),
            &project.site,
            self.site,
            &variables,
            properties,
        );
    }

    /// <https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CloudFormation.html>
    fn cloud_formation(&self, goals: &mut Goals<'_, '_>, role: &Text, configuration: &Json) {
        let Some(stack) = goals.estate.stack(self.site) else { return };
        let environment = stack.environment.clone();
        let Some(name) = goals.text(self.site, &configuration["StackName"]) else { return };
        let region = self.action["Region"].as_str().unwrap_or(environment.region.as_str());
        let account = role.arn_part(4).unwrap_or_else(|| environment.account.as_str().into());
        let arn = Text::from(format!("arn:{}:cloudformation:{region}:", environment.region.partition()))
            .with(account)
            .with(":stack/")
            .with(name)
            .with("/")
            .with(some("stack id"));
        let actions: &[&str] = match configuration["ActionMode"].as_str() {
            Some("CHANGE_SET_EXECUTE") => &[
                "cloudformation:DescribeStacks",
                "cloudformation:DescribeChangeSet",
                "cloudformation:ExecuteChangeSet",
            ],
            Some("CHANGE_SET_REPLACE") => &[
                "cloudformation:DescribeStacks",
                "cloudformation:CreateChangeSet",
                "cloudformation:DescribeChangeSet",
                "cloudformation:DeleteChangeSet",
            ],
            Some("DELETE_ONLY") => &["cloudformation:DescribeStacks", "cloudformation:DeleteStack"],
            _ => &[
                "cloudformation:DescribeStacks",
                "cloudformation:CreateStack",
                "cloudformation:UpdateStack",
                "cloudformation:DeleteStack",
            ],
        };
        goals.add(&self.on(role, "to deploy the stack of"), actions, &arn, None, Context::open());
        if let Some(passed) = goals.text(self.site, &configuration["RoleArn"]) {
            let context = Context::open().with("iam:PassedToService", "cloudformation.amazonaws.com");
            goals.add(&self.on(role, "to hand CloudFormation its role for"), &["iam:PassRole"], &passed, None, context);
            goals.trusts_service(
                &passed,
                "cloudformation.amazonaws.com",
                self.site,
                None,
                &self.property,
                "to deploy the stack",
            );
        }
        self.artifacts(goals, role, true, false);
    }

    /// What the action reads from and writes to the artifact bucket.
    fn artifacts(&self, goals: &mut Goals<'_, '_>, role: &Text, reads: bool, writes: bool) {
        let inputs = list(&self.action["InputArtifacts"]).count() > 0;
        let outputs = list(&self.action["OutputArtifacts"]).count() > 0;
        let region = self.action["Region"].as_str();
        let store =
            self.stores.iter().find(|it| region.is_some() && it.region.as_deref() == region).or(self.stores.first());
        let Some(store) = store else { return };
        let key = artifact(self.pipeline);
        if reads && inputs {
            let on = self.on(role, "to read the artifacts of");
            goals.on_object(&on, &["s3:GetObject", "s3:GetObjectVersion"], &store.bucket, &key);
        }
        if writes && outputs {
            let on = self.on(role, "to write the artifacts of");
            goals.on_object(&on, &["s3:PutObject"], &store.bucket, &key);
        }
    }
}

/// The environment variables that an action gives to its build: a JSON list in a text.
fn variables(configuration: &Json) -> BTreeMap<String, Json> {
    let text = &configuration["EnvironmentVariables"];
    // With references in it the text is a join; its parts between them still make the list once they stand for nothing.
    let whole = match text.as_str() {
        Some(text) => text.to_owned(),
        None => {
            text["Fn::Join"][1].as_array().into_iter().flatten().map(|it| it.as_str().unwrap_or_default()).collect()
        }
    };
    let list: Vec<Json> = serde_json::from_str(&whole).unwrap_or_default();
    list.into_iter().filter_map(|it| Some((it["name"].as_str()?.to_owned(), it["value"].clone()))).collect()
}
