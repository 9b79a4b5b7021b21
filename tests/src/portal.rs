//! A stand-in for IAM Identity Center, which no emulator has.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::runtime;

/// The portal of an organization, with its token service: whoever has a session gets credentials of every account, whose access key is the account's
/// id, as the emulators want it. It ends when this is dropped.
///
/// It knows two calls: [GetRoleCredentials](https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html) and
/// [CreateToken](https://docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/API_CreateToken.html) with a refresh token.
#[derive(Debug)]
pub struct SsoPortal {
    /// Where it listens.
    pub url: String,
    server: JoinHandle<()>,
}

/// The access token of a session that the portal knows.
pub const ACCESS_TOKEN: &str = "access-of-a-session";
/// The refresh token for which it gives out [`RENEWED_TOKEN`].
pub const REFRESH_TOKEN: &str = "refresh-of-a-session";
/// The access token of a session that was renewed.
pub const RENEWED_TOKEN: &str = "access-of-a-renewed-session";

impl SsoPortal {
    /// A portal on a port of its own.
    ///
    /// # Panics
    /// If no loopback port can be had.
    pub fn start() -> Self {
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        Self { url: format!("http://{address}"), server: runtime().spawn(serve(listener)) }
    }
}

impl Drop for SsoPortal {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let service = service_fn(answer);
            // An error here is a client that went away.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let answered = match parts.uri.path() {
        "/federation/credentials" => role_credentials(&parts),
        "/token" => create_token(&body),
        _ => Err((404, "ResourceNotFoundException", "no such call")),
    };
    let (status, error, body) = match answered {
        Ok(body) => (200, None, body),
        Err((status, code, message)) => (status, Some(code), json!({ "message": message, "error": code })),
    };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    if let Some(code) = error {
        response.headers_mut().insert("x-amzn-errortype", http::HeaderValue::from_static(code));
    }
    Ok(response)
}

type Refusal = (u16, &'static str, &'static str);

fn role_credentials(parts: &http::request::Parts) -> Result<Value, Refusal> {
    let token = parts.headers.get("x-amz-sso_bearer_token").and_then(|token| token.to_str().ok());
    if !token.is_some_and(|token| [ACCESS_TOKEN, RENEWED_TOKEN].contains(&token)) {
        return Err((401, "UnauthorizedException", "Session token not found or invalid"));
    }
    let query: BTreeMap<&str, &str> =
        parts.uri.query().unwrap_or_default().split('&').filter_map(|part| part.split_once('=')).collect();
    let (Some(account), Some("Deployer")) = (query.get("account_id"), query.get("role_name").copied()) else {
        return Err((403, "ForbiddenException", "No access"));
    };
    let expiry = SystemTime::now() + Duration::from_secs(3600);
    let expiry = expiry.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    Ok(json!({ "roleCredentials": {
        "accessKeyId": account,
        "secretAccessKey": "secret-of-a-session",
        "sessionToken": "token-of-a-session",
        "expiration": expiry,
    } }))
}

fn create_token(body: &Bytes) -> Result<Value, Refusal> {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let refreshes = request["grantType"] == "refresh_token" && request["refreshToken"] == REFRESH_TOKEN;
    if !refreshes {
        return Err((400, "InvalidGrantException", "Invalid refresh token provided"));
    }
    Ok(json!({ "accessToken": RENEWED_TOKEN, "tokenType": "Bearer", "expiresIn": 3600, "refreshToken": REFRESH_TOKEN }))
}
