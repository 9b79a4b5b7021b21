//! The services, through the AWS SDK. The only module that names it.
//!
//! The SDK's own repetition is switched off: the engine repeats calls itself, so that every request is counted and told, and
//! a repeated one is known to be a repetition.

mod cloudformation;
mod credentials;
mod failure;
mod identity;
mod objects;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_cloudformation::config::SharedHttpClient;
use aws_sdk_cloudformation::config::retry::RetryConfig;
use aws_sdk_cloudformation::config::timeout::TimeoutConfig;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Connector as HttpConnector, tls};

use self::credentials::{Common, Configurations, Roles, check_profile};
use crate::cloudformation::{ApiError, Clients, Connector, Environment};

/// How to get into the accounts.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AwsConnector {
    /// The way into each account, by its id.
    pub accounts: BTreeMap<String, Access>,
    /// The way into accounts that are not listed.
    pub default: Access,
    /// Where all services are, instead of AWS. The SDK reads `AWS_ENDPOINT_URL` by itself.
    pub endpoint_url: Option<String>,
    /// Through what the services are reached.
    pub proxy: Proxy,
    /// One for all accounts: its root certificates are loaded once.
    http: OnceLock<SharedHttpClient>,
    configurations: Configurations,
}

/// Through what the services are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proxy {
    /// Directly, whatever the environment says.
    #[default]
    None,
    /// Through the proxies that `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY` name, in capital or small letters, except for the hosts, domains
    /// and networks of `NO_PROXY`. The metadata service of an instance (`169.254.169.254`) is reached directly only if it is among these.
    Environment,
}

/// A way into an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Where the first credentials come from.
    pub source: Source,
    /// The role to assume with them.
    pub role: Option<RoleAccess>,
}

/// Where the first credentials come from.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Source {
    /// What the SDK finds: environment, default profile, SSO session, container, instance.
    #[default]
    Environment,
    /// A profile of the shared configuration, with SSO, roles or a credential process as it says.
    Profile(String),
    /// Keys that are given.
    Keys {
        /// The id.
        id: String,
        /// The secret.
        secret: String,
        /// The session token, for temporary keys.
        session: Option<String>,
    },
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("Environment"),
            Self::Profile(name) => write!(f, "Profile({name:?})"),
            Self::Keys { id, .. } => write!(f, "Keys({id:?})"),
        }
    }
}

/// A role to assume.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RoleAccess {
    /// A role of one's own.
    Role {
        /// Its ARN.
        arn: String,
        /// The external id that its trust policy asks for.
        external_id: Option<String>,
    },
    /// The roles that CDK's bootstrap has made: the deploy role for the calls, the publishing role for assets, and the
    /// execution role for CloudFormation.
    CdkBootstrap {
        /// The qualifier of the bootstrap; CDK's is `hnb659fds`.
        qualifier: String,
    },
}

/// An attempt that has no answer after this time counts as lost. Uploads may take longer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(600);

#[async_trait]
impl Connector for AwsConnector {
    async fn connect(&self, environment: &Environment) -> Result<Clients, ApiError> {
        let access = self.accounts.get(&environment.account).unwrap_or(&self.default);
        if let Source::Profile(name) = &access.source {
            check_profile(name).await?;
        }
        let http = self.http.get_or_init(|| http_client(self.proxy));
        let common = Common { http, endpoint_url: self.endpoint_url.as_deref() };
        let roles = Roles::of(access.role.as_ref(), environment);
        let get = async |role: Option<&RoleAccess>| {
            self.configurations.get(&access.source, role, &environment.region, &common).await
        };
        let config = get(roles.calls.as_ref()).await;
        let storage = match &roles.uploads {
            None => config.clone(),
            uploads => get(uploads.as_ref()).await,
        };
        Ok(Clients {
            cloudformation: Arc::new(cloudformation::Sdk::new(&config, ATTEMPT_TIMEOUT)),
            objects: Arc::new(objects::Sdk::new(&storage, environment, ATTEMPT_TIMEOUT, UPLOAD_TIMEOUT)),
            identity: Arc::new(identity::Sdk::new(&config, ATTEMPT_TIMEOUT)),
            execution_role: roles.execution,
        })
    }
}

fn http_client(proxy: Proxy) -> SharedHttpClient {
    let proxy = match proxy {
        Proxy::None => ProxyConfig::disabled(),
        Proxy::Environment => ProxyConfig::from_env(),
    };
    aws_smithy_http_client::Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = HttpConnector::builder()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.build()
    })
}

/// The ARN of a role of CDK's bootstrap.
pub fn bootstrap_role(environment: &Environment, qualifier: &str, name: &str) -> String {
    let Environment { account, region } = environment;
    let partition = xacct_core::Region::unlisted(region).partition();
    format!("arn:{partition}:iam::{account}:role/cdk-{qualifier}-{name}-{account}-{region}")
}

/// No repetition, and an end to waiting.
fn once() -> RetryConfig {
    RetryConfig::disabled()
}

fn within(limit: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(Duration::from_secs(10)).operation_attempt_timeout(limit).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let keys = Source::Keys { id: "AKIDEXAMPLE".into(), secret: "s3cr3t".into(), session: Some("t0ken".into()) };
        let text = format!("{keys:?}");
        assert!(!text.contains("s3cr3t") && !text.contains("t0ken"), "{text}");
    }

    #[test]
    fn bootstrap_roles_are_in_the_partition_of_the_region() {
        let china = Environment { account: "111111111111".into(), region: "cn-north-1".into() };
        assert_eq!(
            bootstrap_role(&china, "hnb659fds", "deploy-role"),
            "arn:aws-cn:iam::111111111111:role/cdk-hnb659fds-deploy-role-111111111111-cn-north-1"
        );
    }
}
