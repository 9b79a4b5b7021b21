//! Plain signed calls to any service of an account, for reading back through a service's own door what a deployment made.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::runtime;

/// Credentials and an endpoint.
#[derive(Clone, Debug)]
pub struct Account {
    url: String,
    region: String,
    credentials: Credentials,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status; 0 if the connection broke before an answer.
    pub status: u16,
    /// The body; what went wrong if the connection broke.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If the call failed or the body is not JSON.
    pub fn json(&self) -> Value {
        assert!(self.is_success(), "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Whether the call was allowed and done.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The text of the first XML element of this name, with entities and percent-escapes resolved.
    pub fn element(&self, name: &str) -> Option<String> {
        self.elements(name).into_iter().next()
    }

    /// The texts of all XML elements of this name.
    pub fn elements(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let inner = self.body.split(&open).skip(1).filter_map(|rest| rest.split_once(&close));
        inner.map(|(text, _)| plain(text)).collect()
    }
}

impl Account {
    pub(crate) fn new(url: &str, access_key_id: &str, region: &str) -> Self {
        Self {
            url: url.to_owned(),
            region: region.to_owned(),
            credentials: Credentials::new(access_key_id, "test", None, None, "tests"),
        }
    }

    /// The same endpoint with other credentials.
    pub fn with_credentials(&self, access_key_id: &str, secret: &str, token: Option<&str>) -> Self {
        let credentials = Credentials::new(access_key_id, secret, token.map(str::to_owned), None, "tests");
        Self { credentials, ..self.clone() }
    }

    /// The same credentials at another endpoint, such as a proxy's.
    pub fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    /// A call of the query protocol: IAM, STS, CloudFormation, SNS.
    pub fn query(&self, service: &str, version: &str, action: &str, parameters: &[(&str, &str)]) -> Answer {
        let mut body = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            body.push_str(&format!("&{}={}", escape(name), escape(value)));
        }
        self.send(service, "POST", "/", &[("content-type", "application/x-www-form-urlencoded")], body)
    }

    /// A call of the JSON protocol: KMS, Secrets Manager, CodeBuild, CodeCommit, CodePipeline, EventBridge, CloudWatch Logs.
    pub fn json(&self, service: &str, target: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        self.send(service, "POST", "/", &headers, body.to_string())
    }

    /// A call of a REST protocol: S3.
    pub fn rest(&self, service: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.send(service, method, path, headers, body.to_owned())
    }

    fn send(&self, service: &str, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let host = self.url.trim_start_matches("http://").to_owned();
        let mut request =
            http::Request::builder().method(method).uri(format!("{}{path}", self.url)).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Full::new(Bytes::from(body.clone()))).expect("a test's request is well formed");
        self.sign(service, &mut request, body.as_bytes());

        let answer = runtime().block_on(async {
            let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
            let (parts, body) = client.request(request).await.map_err(|error| format!("{error:?}"))?.into_parts();
            let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
            Ok::<_, String>(Answer { status: parts.status.as_u16(), body: String::from_utf8_lossy(&body).into_owned() })
        });
        answer.unwrap_or_else(|error| Answer { status: 0, body: error })
    }

    fn sign(&self, service: &str, request: &mut http::Request<Full<Bytes>>, body: &[u8]) {
        let identity = self.credentials.clone().into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = aws_sigv4::http_request::PayloadChecksumKind::XAmzSha256;
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .expect("all signing parameters are given");
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()));
        let uri = request.uri().to_string();
        let signable = SignableRequest::new(request.method().as_str(), uri, headers, SignableBody::Bytes(body));
        let signable = signable.expect("a test's request can be signed");
        let (instructions, _) =
            sign(signable, &parameters.into()).expect("a test's request can be signed").into_parts();
        instructions.apply_to_request_http1x(request);
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(byte.into()),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// IAM returns policy documents percent-escaped inside XML.
fn plain(text: &str) -> String {
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&amp;", "&");
    if !text.contains("%7B") {
        return text;
    }
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
