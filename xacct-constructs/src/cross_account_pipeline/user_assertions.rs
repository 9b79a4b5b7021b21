//! What people do with the pipeline, asserted call by call: that its users may do it, and nothing that is beside it.

use xacct_core::value::{Expr, concat};
use xacct_core::{Construct, Node};

use super::network_assertions::READS;
use super::{CrossAccountPipeline, StageAccount};
use crate::iam::User;

const VIEWS: [&str; 5] = [
    "codepipeline:GetPipeline",
    "codepipeline:GetPipelineExecution",
    "codepipeline:GetPipelineState",
    "codepipeline:ListActionExecutions",
    "codepipeline:ListPipelineExecutions",
];

#[track_caller]
pub(super) fn assert_operator(node: &Node, user: &User, account: &StageAccount, pipeline: &CrossAccountPipeline) {
    let Some(environment) = node.environment() else { return };
    let region = environment.region.as_str();
    for action in READS {
        node.assert_allowed_when(user, action, "*", [("ec2:Region", region)]);
        node.assert_denied_when(user, action, "*", [("ec2:Region", "elsewhere")]);
    }
    for stage in pipeline.stages.iter().filter(|it| it.node().stack() == node.stack()) {
        for logs in [&stage.plan, &stage.apply].into_iter().filter_map(|it| it.log_group.as_ref()) {
            for action in ["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"] {
                node.assert_allowed(user, action, logs.arn());
            }
            node.assert_denied(user, "logs:DeleteLogGroup", logs.arn());
        }
    }
    // State holds what Terraform knows, secrets too.
    node.assert_denied(user, "s3:GetObject", account.state.objects("any"));
    node.assert_denied(user, "s3:PutObject", account.state.objects("any"));
    node.assert_denied(user, "kms:Decrypt", account.key.arn());
    if pipeline.node().stack() == node.stack() {
        assert_at_home(node, user, region, pipeline);
    }
}

#[track_caller]
fn assert_at_home(node: &Node, user: &User, region: &str, pipeline: &CrossAccountPipeline) {
    if let Some(repository) = &pipeline.repository {
        node.assert_allowed(user, "codecommit:GitPull", repository.arn());
        node.assert_allowed(user, "codecommit:GitPush", repository.arn());
        node.assert_denied(user, "codecommit:DeleteRepository", repository.arn());
    }
    for action in VIEWS {
        node.assert_allowed(user, action, pipeline.pipeline.arn());
    }
    node.assert_denied(user, "codepipeline:UpdatePipeline", pipeline.pipeline.arn());
    for (stage, action) in pipeline.stages.iter().filter_map(super::DeployedStage::approval) {
        let approval = concat([Expr::from(pipeline.pipeline.arn()), format!("/{stage}/{action}").into()]);
        node.assert_allowed(user, "codepipeline:PutApprovalResult", approval);
    }
    node.assert_allowed_when(user, "codepipeline:ListPipelines", "*", [("aws:RequestedRegion", region)]);
    node.assert_denied_when(user, "codepipeline:ListPipelines", "*", [("aws:RequestedRegion", "elsewhere")]);
}
