//! Credentials: found once for all that starts from the same, and told as what they are when they are not to be had.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::SystemTime;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_sdk_cloudformation::config::{
    Credentials, IdentityCache, ProvideCredentials, Region, SharedCredentialsProvider, SharedHttpClient,
};
use aws_sdk_cloudformation::error::ConnectorError;
use aws_sdk_sts::Client;
use tokio::sync::Mutex;

use super::failure::{api_error, chain, find};
use super::{ATTEMPT_TIMEOUT, RoleAccess, Source, once, within};
use crate::cloudformation::{ApiError, Environment};

/// The configurations so far, by what they came from. The accounts of one SSO session or one profile with roles share what that gives out:
/// two hundred accounts are one question to the session. And a role that was assumed for a plan is not assumed again to deploy it.
#[derive(Clone, Debug, Default)]
pub(super) struct Configurations(Arc<Mutex<BTreeMap<Key, SdkConfig>>>);

/// A source, a role that it assumes, and a region.
type Key = (Source, Option<RoleAccess>, String);

/// What configurations of every source have in common.
pub(super) struct Common<'a> {
    pub(super) http: &'a SharedHttpClient,
    pub(super) endpoint_url: Option<&'a str>,
}

impl Configurations {
    /// To act as the source in a region, or as a role that the source assumes.
    pub(super) async fn get(
        &self,
        source: &Source,
        role: Option<&RoleAccess>,
        region: &str,
        common: &Common<'_>,
    ) -> SdkConfig {
        let mut known = self.0.lock().await;
        let key = |role: Option<&RoleAccess>| -> Key { (source.clone(), role.cloned(), region.to_owned()) };
        if let Some(found) = known.get(&key(role)) {
            return found.clone();
        }
        let base = match known.get(&key(None)) {
            Some(base) => base.clone(),
            None => load(source, region, common).await,
        };
        let config = match role {
            Some(RoleAccess::Role { arn, external_id }) => assume(&base, arn, external_id.as_deref()),
            _ => base.clone(),
        };
        known.insert(key(None), base);
        known.insert(key(role), config.clone());
        config
    }
}

async fn load(source: &Source, region: &str, common: &Common<'_>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(common.http.clone())
        // As long as any other call may take.
        .identity_cache(IdentityCache::lazy().load_timeout(ATTEMPT_TIMEOUT).build())
        .region(Region::new(region.to_owned()));
    if let Some(url) = common.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    match source {
        Source::Environment => loader.load().await,
        Source::Profile(name) => loader.profile_name(name).load().await,
        Source::Keys { id, secret, session } => {
            let keys = Credentials::new(id, secret, session.clone(), None, "xacct");
            loader.credentials_provider(keys).load().await
        }
    }
}

fn assume(base: &SdkConfig, arn: &str, external_id: Option<&str>) -> SdkConfig {
    let config =
        aws_sdk_sts::config::Builder::from(base).retry_config(once()).timeout_config(within(ATTEMPT_TIMEOUT)).build();
    let sts = Client::from_conf(config);
    let role = AssumedRole { sts, arn: arn.to_owned(), external_id: external_id.map(str::to_owned) };
    base.clone().into_builder().credentials_provider(SharedCredentialsProvider::new(role)).build()
}

/// Credentials of a role. The SDK's own provider repeats calls by itself, where nobody sees it, and gives up after three.
#[derive(Debug)]
struct AssumedRole {
    sts: Client,
    arn: String,
    external_id: Option<String>,
}

impl AssumedRole {
    async fn assume(&self) -> Result<Credentials, ApiError> {
        let request = self.sts.assume_role().role_arn(&self.arn).role_session_name("xacct");
        let answer = request.set_external_id(self.external_id.clone()).send().await;
        let answer = answer.map_err(|error| api_error("AssumeRole", error))?;
        let unusable = |message: String| ApiError::credentials("AssumeRole", message);
        let keys = answer.credentials.ok_or_else(|| unusable("the answer has no credentials".to_owned()))?;
        let expiry = SystemTime::try_from(keys.expiration).map_err(|error| unusable(error.to_string()))?;
        let (id, secret, session) = (keys.access_key_id, keys.secret_access_key, keys.session_token);
        Ok(Credentials::new(id, secret, Some(session), Some(expiry), "AssumeRole"))
    }
}

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.assume().await.map_err(CredentialsError::provider_error) })
    }
}

/// What a failed call says about the credentials that it was to be signed with; none if they were not the matter.
pub(super) fn failure(error: &(dyn Error + 'static)) -> Option<ApiError> {
    if let Some(role) = find::<ApiError>(error) {
        return Some(role.clone());
    }
    let error = find::<CredentialsError>(error)?;
    let message = reason(error);
    let unanswered = || ApiError::transport("GetCredentials", format!("the credentials cannot be loaded: {message}"));
    let broken = find::<ConnectorError>(error).is_some_and(|it| it.is_io() || it.is_timeout());
    Some(match error {
        CredentialsError::ProviderTimedOut(_) => unanswered(),
        CredentialsError::ProviderError(_) if broken => unanswered(),
        // The SDK then tells of every provider that it has, in six lines.
        _ if message.contains(NONE_FOUND) => ApiError::credentials(
            "GetCredentials",
            "there are none: no environment variables, no default profile, no web identity, no role of a container or an instance",
        ),
        _ => ApiError::credentials("GetCredentials", message),
    })
}

/// Why credentials could not be loaded, without that they could not be loaded.
fn reason(error: &CredentialsError) -> String {
    let mut reason: &(dyn Error + 'static) = error;
    while let Some(source) = reason.source()
        && reason.to_string().starts_with("an error occurred while loading")
    {
        reason = source;
    }
    chain(reason)
}

/// What the SDK says when none of its providers has credentials.
const NONE_FOUND: &str = "no credentials found in chain";

/// A profile that is not there: the SDK would take it for one without credentials.
pub(super) async fn check_profile(name: &str) -> Result<(), ApiError> {
    let read = aws_config::profile::load(&Default::default(), &Default::default(), &Default::default(), None).await;
    let profiles = read.map_err(|error| {
        let message = format!("the AWS configuration cannot be read: {}", chain(&error));
        ApiError::credentials("GetCredentials", message).with_source(error)
    })?;
    let mut known: Vec<&str> = profiles.profiles().collect();
    if known.contains(&name) {
        return Ok(());
    }
    known.sort_unstable();
    let known = match (xacct_core::nearest::nearest(name, known.iter().copied()), known.is_empty()) {
        (Some(nearest), _) => format!("did you mean `{nearest}`?"),
        (None, true) => "it has no profiles at all".to_owned(),
        (None, false) => format!("it has {}", known.join(", ")),
    };
    Err(ApiError::credentials("GetCredentials", format!("the AWS configuration has no profile `{name}`: {known}")))
}

/// The roles to use in an environment.
pub(super) struct Roles {
    pub(super) calls: Option<RoleAccess>,
    /// Where uploads need another role than calls.
    pub(super) uploads: Option<RoleAccess>,
    pub(super) execution: Option<String>,
}

impl Roles {
    pub(super) fn of(role: Option<&RoleAccess>, environment: &Environment) -> Self {
        match role {
            None => Self { calls: None, uploads: None, execution: None },
            Some(RoleAccess::CdkBootstrap { qualifier }) => {
                let arn = |name: &str| super::bootstrap_role(environment, qualifier, name);
                let role = |name: &str| Some(RoleAccess::Role { arn: arn(name), external_id: None });
                Self {
                    calls: role("deploy-role"),
                    uploads: role("file-publishing-role"),
                    execution: Some(arn("cfn-exec-role")),
                }
            }
            Some(own) => Self { calls: Some(own.clone()), uploads: None, execution: None },
        }
    }
}
