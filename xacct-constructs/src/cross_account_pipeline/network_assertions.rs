//! What Terraform does to a network, asserted call by call: that a stage may do it to its own, and not to another's.
//!
//! The statements say what is allowed in general; these are the calls that a run makes, so that a statement that was
//! narrowed or widened by mistake fails `check`.

use xacct_core::{Environment, Node};

use crate::iam::Role;

/// What is read before anything is planned.
pub(super) const READS: [&str; 13] = [
    "ec2:DescribeAccountAttributes",
    "ec2:DescribeAddresses",
    "ec2:DescribeAddressesAttribute",
    "ec2:DescribeInternetGateways",
    "ec2:DescribeNatGateways",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcs",
];

/// What is made: the action, what comes of it, and what it is made in.
const MAKES: [(&str, &str, &[&str]); 7] = [
    ("AllocateAddress", "elastic-ip", &[]),
    ("CreateInternetGateway", "internet-gateway", &[]),
    ("CreateNatGateway", "natgateway", &["elastic-ip", "subnet"]),
    ("CreateNetworkInterface", "network-interface", &["security-group", "subnet"]),
    ("CreateRouteTable", "route-table", &["vpc"]),
    ("CreateSubnet", "subnet", &["vpc"]),
    ("CreateVpc", "vpc", &[]),
];

/// What is changed or deleted, and of which kind it is.
const CHANGES: [(&str, &[&str]); 21] = [
    ("ec2:AssignPrivateIpAddresses", &["network-interface"]),
    ("ec2:AssociateRouteTable", &["route-table", "subnet"]),
    ("ec2:AttachInternetGateway", &["internet-gateway", "vpc"]),
    ("ec2:CreateRoute", &["route-table"]),
    ("ec2:DeleteInternetGateway", &["internet-gateway"]),
    ("ec2:DeleteNatGateway", &["natgateway"]),
    ("ec2:DeleteNetworkInterface", &["network-interface"]),
    ("ec2:DeleteRoute", &["route-table"]),
    ("ec2:DeleteRouteTable", &["route-table"]),
    ("ec2:DeleteSubnet", &["subnet"]),
    ("ec2:DeleteVpc", &["vpc"]),
    ("ec2:DetachInternetGateway", &["internet-gateway", "vpc"]),
    ("ec2:DisassociateAddress", &["elastic-ip"]),
    ("ec2:DisassociateRouteTable", &["route-table", "subnet"]),
    ("ec2:ModifyNetworkInterfaceAttribute", &["network-interface"]),
    ("ec2:ModifySubnetAttribute", &["subnet"]),
    ("ec2:ModifyVpcAttribute", &["vpc"]),
    ("ec2:ReleaseAddress", &["elastic-ip"]),
    ("ec2:ReplaceRoute", &["route-table"]),
    ("ec2:ReplaceRouteTableAssociation", &["route-table", "subnet"]),
    ("ec2:UnassignPrivateIpAddresses", &["network-interface"]),
];

const OF_REQUEST: &str = "aws:RequestTag/Stage";
const OF_RESOURCE: &str = "aws:ResourceTag/Stage";

#[track_caller]
pub(super) fn assert_network(node: &Node, environment: &Environment, stage: &str, plan: &Role, apply: &Role) {
    let Environment { account, region } = environment;
    let arn = |kind: &str| format!("arn:{}:ec2:{region}:{account}:{kind}/{kind}-1", region.partition());
    let other = format!("not-{stage}");
    for action in READS {
        for role in [plan, apply] {
            node.assert_allowed_when(role, action, "*", [("ec2:Region", region.as_str())]);
            node.assert_denied_when(role, action, "*", [("ec2:Region", "elsewhere")]);
        }
    }
    for (name, made, within) in MAKES {
        let action = format!("ec2:{name}");
        let tags = [("ec2:CreateAction", name), (OF_REQUEST, stage)];
        let foreign = [("ec2:CreateAction", name), (OF_REQUEST, other.as_str()), (OF_RESOURCE, other.as_str())];
        node.assert_allowed_when(apply, action.as_str(), arn(made), [(OF_REQUEST, stage)]);
        node.assert_allowed_when(apply, "ec2:CreateTags", arn(made), tags);
        node.assert_denied_when(apply, "ec2:CreateTags", arn(made), foreign);
        // Tags are part of making something: on what is there already, they take its own tag.
        let later = [("ec2:CreateAction", "none"), (OF_REQUEST, stage), (OF_RESOURCE, other.as_str())];
        node.assert_denied_when(apply, "ec2:CreateTags", arn(made), later);
        node.assert_denied_when(apply, action.as_str(), arn(made), [foreign[1], foreign[2]]);
        for kind in within {
            node.assert_allowed_when(apply, action.as_str(), arn(kind), [(OF_RESOURCE, stage)]);
            node.assert_denied_when(apply, action.as_str(), arn(kind), [foreign[1], foreign[2]]);
        }
        for role_action in ["ec2:CreateTags", "ec2:DeleteTags"] {
            node.assert_allowed_when(apply, role_action, arn(made), [(OF_RESOURCE, stage)]);
        }
        node.assert_denied_when(apply, "ec2:DeleteTags", arn(made), [(OF_RESOURCE, other.as_str())]);
    }
    assert_untagged(node, &arn, stage, apply);
    for (action, kinds) in CHANGES {
        for kind in kinds {
            node.assert_allowed_when(apply, action, arn(kind), [(OF_RESOURCE, stage)]);
            node.assert_denied_when(apply, action, arn(kind), [(OF_RESOURCE, other.as_str())]);
            node.assert_denied(plan, action, arn(kind));
        }
    }
}

/// What AWS makes by itself and leaves without a tag: a VPC's first security group, which Terraform takes over, and the
/// interface of a NAT gateway. It may be changed while it has no tag or the stage's own, and be given the stage's tag.
#[track_caller]
fn assert_untagged(node: &Node, arn: &dyn Fn(&str) -> String, stage: &str, apply: &Role) {
    let other = format!("not-{stage}");
    let own_tag = [(OF_RESOURCE, stage)];
    let other_tag = [(OF_RESOURCE, other.as_str())];
    let group = arn("security-group");
    let changes = [
        ("ec2:DisassociateAddress", arn("network-interface")),
        ("ec2:ModifyNetworkInterfaceAttribute", group.clone()),
        ("ec2:RevokeSecurityGroupEgress", group.clone()),
        ("ec2:RevokeSecurityGroupIngress", group.clone()),
    ];
    for (action, resource) in changes {
        node.assert_allowed_when(apply, action, resource.as_str(), own_tag);
        node.assert_allowed_without(apply, action, resource.as_str(), [OF_RESOURCE]);
        node.assert_denied_when(apply, action, resource.as_str(), other_tag);
    }
    node.assert_allowed_when(apply, "ec2:CreateTags", group.as_str(), [(OF_REQUEST, stage)]);
    let foreign = [(OF_REQUEST, other.as_str()), (OF_RESOURCE, other.as_str())];
    node.assert_denied_when(apply, "ec2:CreateTags", group.as_str(), foreign);
    for action in ["ec2:CreateTags", "ec2:DeleteTags"] {
        node.assert_allowed_when(apply, action, group.as_str(), own_tag);
    }
    node.assert_denied_when(apply, "ec2:DeleteTags", group.as_str(), other_tag);
}
