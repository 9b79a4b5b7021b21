//! S3.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;

use super::failure::api_error;
use super::{once, within};
use crate::cloudformation::{ApiError, Environment, Objects};

pub(super) struct Sdk {
    client: Client,
    environment: Environment,
    endpoint_url: Option<String>,
    /// How long an upload may take.
    upload: Duration,
}

impl Sdk {
    pub(super) fn new(config: &SdkConfig, environment: &Environment, limit: Duration, upload: Duration) -> Self {
        // Emulators are reached by one host name, which cannot carry the bucket's name.
        let endpoint_url = config.endpoint_url().map(str::to_owned);
        let config = aws_sdk_s3::config::Builder::from(config)
            .retry_config(once())
            .timeout_config(within(limit))
            .force_path_style(endpoint_url.is_some())
            .build();
        Self { client: Client::from_conf(config), environment: environment.clone(), endpoint_url, upload }
    }

    /// Absent is an answer, everything else an error.
    fn found(result: Result<(), ApiError>) -> Result<bool, ApiError> {
        match result {
            Ok(()) => Ok(true),
            Err(error) if error.http_status == Some(404) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Objects for Sdk {
    async fn bucket_exists(&self, bucket: &str) -> Result<bool, ApiError> {
        let answer =
            self.client.head_bucket().bucket(bucket).expected_bucket_owner(&self.environment.account).send().await;
        let answer = answer.map(drop).map_err(|error| {
            let mut error = api_error("HeadBucket", error);
            if error.http_status == Some(403) {
                error.message = format!(
                    "the bucket `{bucket}` belongs to another account than `{}`, or may not be used",
                    self.environment.account
                );
            }
            error
        });
        Self::found(answer)
    }

    async fn object_exists(&self, bucket: &str, key: &str) -> Result<bool, ApiError> {
        let answer = self
            .client
            .head_object()
            .bucket(bucket)
            .key(key)
            .expected_bucket_owner(&self.environment.account)
            .send()
            .await;
        Self::found(answer.map(drop).map_err(|error| api_error("HeadObject", error)))
    }

    async fn put_object(&self, bucket: &str, key: &str, body: Vec<u8>, content_type: &str) -> Result<(), ApiError> {
        let patience = aws_sdk_s3::config::Builder::new().timeout_config(within(self.upload));
        self.client
            .put_object()
            .bucket(bucket)
            .key(key)
            .content_type(content_type)
            .expected_bucket_owner(&self.environment.account)
            .body(ByteStream::from(body))
            .customize()
            .config_override(patience)
            .send()
            .await
            .map(drop)
            .map_err(|error| api_error("PutObject", error))
    }

    fn url(&self, bucket: &str, key: &str) -> String {
        match &self.endpoint_url {
            Some(endpoint) => format!("{}/{bucket}/{key}", endpoint.trim_end_matches('/')),
            None => {
                let region = &self.environment.region;
                let suffix = xacct_core::Region::unlisted(region).url_suffix();
                format!("https://{bucket}.s3.{region}.{suffix}/{key}")
            }
        }
    }
}
