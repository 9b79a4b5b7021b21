//! The organization's policies over the accounts: files that `xacct.toml` names, read for `check` and `access`.

use std::path::Path;

use serde_json::json;
use xacct_access::{Organization, Policy, PolicyKind};
use xacct_core::SourceLocation;

use crate::config::{Config, Setting};
use crate::exit::Exit;
use crate::problem::{Failure, Place, Problem, io_reason};

/// AWS's policies that allow everything, which stand for themselves in place of a file.
const ALLOWS_EVERYTHING: [(PolicyKind, &str); 2] =
    [(PolicyKind::ServiceControl, "FullAWSAccess"), (PolicyKind::ResourceControl, "RCPFullAWSAccess")];

/// Reads the policies of all accounts; reports all that is wrong with them at once.
pub(crate) fn organization(config: &Config) -> Result<Organization, Failure> {
    // Files are named from where `xacct.toml` is.
    let folder = config.file.as_ref().and_then(|it| Path::new(it).parent()).unwrap_or(Path::new(""));
    let mut organization = Organization::default();
    let mut problems = Vec::new();
    for account in config.accounts.values() {
        let id = account.id.value.as_str();
        for level in &account.service_control_policies {
            let policies = read_level(PolicyKind::ServiceControl, level, folder, &mut problems);
            organization.add_service_control(id, policies);
        }
        for level in &account.resource_control_policies {
            let policies = read_level(PolicyKind::ResourceControl, level, folder, &mut problems);
            organization.add_resource_control(id, policies);
        }
    }
    if problems.is_empty() { Ok(organization) } else { Err(Failure { exit: Exit::Usage, problems }) }
}

fn read_level(kind: PolicyKind, level: &[Setting<String>], folder: &Path, problems: &mut Vec<Problem>) -> Vec<Policy> {
    level.iter().filter_map(|file| read(kind, file, folder).map_err(|found| problems.extend(found)).ok()).collect()
}

fn read(kind: PolicyKind, file: &Setting<String>, folder: &Path) -> Result<Policy, Vec<Problem>> {
    let name = file.value.as_str();
    if ALLOWS_EVERYTHING.contains(&(kind, name)) {
        let mut statement = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
        if kind == PolicyKind::ResourceControl {
            statement["Principal"] = "*".into();
        }
        let document = json!({ "Version": "2012-10-17", "Statement": statement });
        return Policy::from_value(kind, name, &document).map_err(|errors| vec![Problem::error(errors.to_string())]);
    }
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let problem = Problem::error(format!("cannot read the policy `{}`", path.display())).note(io_reason(&error));
        vec![problem.code("control-policy").at(file.from.place()).help("name a file, from where xacct.toml is")]
    })?;
    Policy::parse(kind, name, &text).map_err(|errors| {
        let number = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        let problem = |error: xacct_access::PolicyError| {
            let place = error.position.place.map(|it| Place {
                location: SourceLocation {
                    file: path.display().to_string(),
                    line: number(it.line),
                    column: number(it.column),
                },
                length: 0,
            });
            Problem::error(error.message).code("control-policy").at(place)
        };
        errors.errors.into_iter().map(problem).collect()
    })
}
