//! STS.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sts::Client;

use super::failure::api_error;
use super::{once, within};
use crate::cloudformation::{ApiError, Caller, Identity};

pub(super) struct Sdk(Client);

impl Sdk {
    pub(super) fn new(config: &SdkConfig, limit: Duration) -> Self {
        let config =
            aws_sdk_sts::config::Builder::from(config).retry_config(once()).timeout_config(within(limit)).build();
        Self(Client::from_conf(config))
    }
}

#[async_trait]
impl Identity for Sdk {
    async fn caller(&self) -> Result<Caller, ApiError> {
        let answer =
            self.0.get_caller_identity().send().await.map_err(|error| api_error("GetCallerIdentity", error))?;
        Ok(Caller { account: answer.account.unwrap_or_default(), arn: answer.arn.unwrap_or_default() })
    }
}
