//! What Terraform needs in EC2 to plan and to apply a network: VPCs, subnets, routes, gateways, network interfaces.
//!
//! Everything that the code makes carries the tag `Stage`, through the provider's `default_tags`. So what a stage may change
//! is told by that tag, and two stages in one account cannot touch each other's.

use xacct_core::{Action, Environment, Statement, action};

const STAGE_OF_RESOURCE: &str = "aws:ResourceTag/Stage";
const STAGE_OF_REQUEST: &str = "aws:RequestTag/Stage";
const EQUALS_IF_THERE: &str = "StringEqualsIfExists";

/// What a plan needs: to see what is there.
pub fn network_read(environment: &Environment) -> Vec<Statement> {
    let describe = Statement::allow([
        action!("ec2:DescribeAccountAttributes"),
        action!("ec2:DescribeAddresses"),
        action!("ec2:DescribeAddressesAttribute"),
        action!("ec2:DescribeInternetGateways"),
        action!("ec2:DescribeNatGateways"),
        action!("ec2:DescribeNetworkAcls"),
        action!("ec2:DescribeNetworkInterfaces"),
        action!("ec2:DescribeRouteTables"),
        action!("ec2:DescribeSecurityGroupRules"),
        action!("ec2:DescribeSecurityGroups"),
        action!("ec2:DescribeSubnets"),
        action!("ec2:DescribeVpcAttribute"),
        action!("ec2:DescribeVpcs"),
    ])
    // EC2 knows no single resources for these actions: `*` is the only value that AWS takes. The region is what narrows them.
    .on(["*"])
    .when("StringEquals", "ec2:Region", [environment.region.as_str()]);
    vec![describe]
}

/// What an apply needs besides: to make things of this stage, and to change and delete only such.
pub fn network_write(environment: &Environment, stage: &str) -> Vec<Statement> {
    // The wildcard in each of these is the id, which EC2 picks when it makes the resource.
    let any = |kinds: &[&str]| -> Vec<String> {
        let Environment { account, region } = environment;
        kinds.iter().map(|kind| format!("arn:{}:ec2:{region}:{account}:{kind}/*", region.partition())).collect()
    };
    let stand_alone = ["elastic-ip", "internet-gateway", "vpc"];
    let within = ["natgateway", "network-interface", "route-table", "subnet"];
    let of_stage =
        ["elastic-ip", "internet-gateway", "natgateway", "network-interface", "route-table", "subnet", "vpc"];
    vec![
        Statement::allow(create_alone()).on(any(&stand_alone)).when("StringEquals", STAGE_OF_REQUEST, [stage]),
        // What is made within something else: the new one carries the stage's tag …
        Statement::allow(create_within()).on(any(&within)).when("StringEquals", STAGE_OF_REQUEST, [stage]),
        // … and that which it is made in has it already.
        Statement::allow(create_within()).on(any(&["elastic-ip", "security-group", "subnet", "vpc"])).when(
            "StringEquals",
            STAGE_OF_RESOURCE,
            [stage],
        ),
        Statement::allow(change()).on(any(&of_stage)).when("StringEquals", STAGE_OF_RESOURCE, [stage]),
        // The interface of a NAT gateway is AWS's own and has no tag, and neither has a VPC's first security group before
        // Terraform has taken it over: so these are allowed on what is of this stage, and on what is of none.
        Statement::allow([action!("ec2:DisassociateAddress")]).on(any(&["network-interface"])).when(
            EQUALS_IF_THERE,
            STAGE_OF_RESOURCE,
            [stage],
        ),
        Statement::allow([
            action!("ec2:ModifyNetworkInterfaceAttribute"),
            action!("ec2:RevokeSecurityGroupEgress"),
            action!("ec2:RevokeSecurityGroupIngress"),
        ])
        .on(any(&["security-group"]))
        .when(EQUALS_IF_THERE, STAGE_OF_RESOURCE, [stage]),
        // Tags are given together with what they are on …
        Statement::allow([action!("ec2:CreateTags")])
            .on(any(&of_stage))
            .when("StringEquals", "ec2:CreateAction", create_names())
            .when("StringEquals", STAGE_OF_REQUEST, [stage]),
        // … or to that first security group, which AWS makes without any …
        Statement::allow([action!("ec2:CreateTags")]).on(any(&["security-group"])).when(
            "StringEquals",
            STAGE_OF_REQUEST,
            [stage],
        ),
        // … and changed only on what is of this stage.
        Statement::allow([action!("ec2:CreateTags"), action!("ec2:DeleteTags")])
            .on(any(&[&of_stage[..], &["security-group"]].concat()))
            .when("StringEquals", STAGE_OF_RESOURCE, [stage]),
    ]
}

fn create_alone() -> [Action; 3] {
    [action!("ec2:AllocateAddress"), action!("ec2:CreateInternetGateway"), action!("ec2:CreateVpc")]
}

fn create_within() -> [Action; 4] {
    [
        action!("ec2:CreateNatGateway"),
        action!("ec2:CreateNetworkInterface"),
        action!("ec2:CreateRouteTable"),
        action!("ec2:CreateSubnet"),
    ]
}

/// The same as values of `ec2:CreateAction`, which have no prefix.
fn create_names() -> [&'static str; 7] {
    [
        "AllocateAddress",
        "CreateInternetGateway",
        "CreateNatGateway",
        "CreateNetworkInterface",
        "CreateRouteTable",
        "CreateSubnet",
        "CreateVpc",
    ]
}

fn change() -> [Action; 21] {
    [
        action!("ec2:AssignPrivateIpAddresses"),
        action!("ec2:AssociateRouteTable"),
        action!("ec2:AttachInternetGateway"),
        action!("ec2:CreateRoute"),
        action!("ec2:DeleteInternetGateway"),
        action!("ec2:DeleteNatGateway"),
        action!("ec2:DeleteNetworkInterface"),
        action!("ec2:DeleteRoute"),
        action!("ec2:DeleteRouteTable"),
        action!("ec2:DeleteSubnet"),
        action!("ec2:DeleteVpc"),
        action!("ec2:DetachInternetGateway"),
        action!("ec2:DisassociateAddress"),
        action!("ec2:DisassociateRouteTable"),
        action!("ec2:ModifyNetworkInterfaceAttribute"),
        action!("ec2:ModifySubnetAttribute"),
        action!("ec2:ModifyVpcAttribute"),
        action!("ec2:ReleaseAddress"),
        action!("ec2:ReplaceRoute"),
        action!("ec2:ReplaceRouteTableAssociation"),
        action!("ec2:UnassignPrivateIpAddresses"),
    ]
}
