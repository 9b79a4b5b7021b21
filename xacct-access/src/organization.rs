//! The organization's policies over the accounts of an assembly: they are in no template, so they are given besides it.

use std::collections::BTreeMap;

use crate::policy::Policy;
use crate::text::Text;

/// [Service control policies](https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html) and
/// [resource control policies](https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html), by
/// account. An account for which none are given is taken to have none.
#[derive(Clone, Debug, Default)]
pub struct Organization {
    service: BTreeMap<String, Vec<Vec<Policy>>>,
    resource: BTreeMap<String, Vec<Vec<Policy>>>,
}

impl Organization {
    /// The service control policies that are attached at one level over an account: its root, an organizational unit, or the
    /// account itself. Each level must allow a request, so give `FullAWSAccess` too where it is attached.
    pub fn add_service_control(&mut self, account: &str, level: Vec<Policy>) {
        self.service.entry(account.to_owned()).or_default().push(level);
    }

    /// The resource control policies that are attached at one level over an account. Only their denies count:
    /// `RCPFullAWSAccess` is attached everywhere and cannot be taken away.
    pub fn add_resource_control(&mut self, account: &str, level: Vec<Policy>) {
        self.resource.entry(account.to_owned()).or_default().push(level);
    }

    /// By level, those over the account of a caller.
    pub(crate) fn over_caller(&self, account: Option<&Text>) -> Vec<Vec<&Policy>> {
        of(&self.service, account)
    }

    /// By level, those over the account of a resource.
    pub(crate) fn over_resource(&self, account: Option<&Text>) -> Vec<Vec<&Policy>> {
        of(&self.resource, account)
    }
}

fn of<'p>(levels: &'p BTreeMap<String, Vec<Vec<Policy>>>, account: Option<&Text>) -> Vec<Vec<&'p Policy>> {
    let levels = account.and_then(|account| levels.iter().find(|(it, _)| account.is(it)));
    levels.into_iter().flat_map(|(_, levels)| levels).map(|level| level.iter().collect()).collect()
}
