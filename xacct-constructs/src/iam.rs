//! Identities: roles, users, groups, and the policies attached to them.
//!
//! What a role, user or group may do is gathered from grants and lands in one inline policy, `DefaultPolicy`, which exists
//! only if there is something to say. Whatever refers to a role waits for that policy too.

mod access_key;
mod cross_account_role;
mod execution_role;
mod group;
mod managed_policy;
mod role;
mod user;

pub use access_key::{AccessKey, AccessKeyProps, AccessKeyStatus};
pub use cross_account_role::CrossAccountRole;
pub use execution_role::{ExecutionRole, ExecutionRoleProps};
pub use group::{Group, GroupProps};
pub use managed_policy::{AttachedPolicy, ManagedPolicy, ManagedPolicyProps};
pub use role::{Role, RoleProps};
pub use user::{User, UserProps};

use xacct_core::policy::PolicySlot;
use xacct_core::value::Value;
use xacct_core::{Construct, Node};

use crate::cfn::iam::{CfnPolicy, CfnPolicyProps};
use crate::naming::{self, NameRule};

const BESIDES: &str = "_+=,.@-";
const ROLE_NAME: NameRule = NameRule { what: "a role name", length: 1..=64, besides: BESIDES };
const USER_NAME: NameRule = NameRule { what: "a user name", length: 1..=64, besides: BESIDES };
const GROUP_NAME: NameRule = NameRule { what: "a group name", length: 1..=128, besides: BESIDES };
const POLICY_NAME: NameRule = NameRule { what: "a policy name", length: 1..=128, besides: BESIDES };

/// What an inline policy is attached to.
enum Holder {
    Role(Value<str>),
    User(Value<str>),
    Group(Value<str>),
}

/// The inline policy of an identity: there as soon as a statement is.
#[track_caller]
fn default_policy(identity: &Node, holder: Holder) -> CfnPolicy {
    let node = identity.child("DefaultPolicy");
    let name = naming::unique_id(&node);
    let props = CfnPolicyProps::new().policy_name(name).policy_document(identity.policy(PolicySlot::Identity));
    let props = match holder {
        Holder::Role(name) => props.roles([name]),
        Holder::User(name) => props.users([name]),
        Holder::Group(name) => props.groups([name]),
    };
    let policy = CfnPolicy::new(&node, "Resource", props);
    policy.node().only_with_policy(identity, PolicySlot::Identity);
    policy
}

/// IAM's path, checked: it begins and ends with a slash.
#[track_caller]
fn check_path(node: &Node, path: &str) {
    let whole = path.starts_with('/') && path.ends_with('/') && path.len() <= 512;
    if !whole || !path.chars().all(|it| it.is_ascii_graphic()) {
        naming::report(
            node,
            "a path",
            path,
            "it is not made of parts between slashes",
            "write it as `/division/team/`",
        );
    }
}
