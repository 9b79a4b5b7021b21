//! A proxy before an emulator that breaks calls on demand, the ways AWS and networks break them, and keeps a log of all calls.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::runtime;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused with the service's throttling error; nothing is done.
    Throttle,
    /// Refused with this server error; nothing is done.
    ServerError(u16),
    /// The connection breaks before the call is done.
    Reset,
    /// The call is done late.
    Delay(Duration),
    /// The call is done, but the connection breaks before its answer arrives.
    LoseReply,
}

/// A call that went through the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The call's name, such as `CreateChangeSet` or `PutObject`.
    pub action: String,
    /// The access key id it was signed with; in the emulators, the account.
    pub access_key_id: String,
    /// What was done to it.
    pub fault: Option<Fault>,
}

/// When a call that is held up stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Before it is done.
    BeforeIt,
    /// After it is done, before its answer goes back.
    AfterIt,
}

#[derive(Debug, Default)]
struct State {
    plan: Mutex<VecDeque<(String, Fault)>>,
    hold: Mutex<Option<(usize, Hold, mpsc::Sender<String>)>>,
    log: Mutex<Vec<Seen>>,
}

/// The proxy. It ends when this is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    /// Where it listens.
    pub url: String,
    state: Arc<State>,
    server: JoinHandle<()>,
}

impl FaultProxy {
    /// A proxy before the endpoint `upstream`.
    ///
    /// # Panics
    /// If no loopback port can be had.
    pub fn before(upstream: &str) -> Self {
        let upstream = upstream.trim_end_matches('/').to_owned();
        let state = Arc::new(State::default());
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).expect("a loopback port is free");
        let address: SocketAddr = listener.local_addr().expect("a bound socket has an address");
        let server = runtime().spawn(serve(listener, upstream, state.clone()));
        Self { url: format!("http://{address}"), state, server }
    }

    /// The next `times` calls of this name meet this fault. What was injected first comes first.
    pub fn inject(&self, action: &str, fault: Fault, times: usize) {
        let mut plan = lock(&self.state.plan);
        plan.extend(std::iter::repeat_n((action.to_owned(), fault), times));
    }

    /// Holds up the call after the next `skip` ones, for ever. Its name is received when it stops; nothing, if there is no such call before this
    /// is called again or the proxy ends.
    pub fn hold(&self, skip: usize, when: Hold) -> mpsc::Receiver<String> {
        let (sender, receiver) = mpsc::channel();
        *lock(&self.state.hold) = Some((skip, when, sender));
        receiver
    }

    /// The faults that no call has met yet.
    pub fn pending(&self) -> usize {
        lock(&self.state.plan).len()
    }

    /// Forgets the faults that no call has met.
    pub fn clear(&self) {
        lock(&self.state.plan).clear();
    }

    /// The names of the calls so far that were broken, so that they had to be made again.
    pub fn broken(&self) -> Vec<String> {
        let log = lock(&self.state.log);
        let broken = log.iter().filter(|seen| !matches!(seen.fault, None | Some(Fault::Delay(_))));
        broken.map(|seen| seen.action.clone()).collect()
    }

    /// Takes the log of the calls so far.
    pub fn take_log(&self) -> Vec<Seen> {
        std::mem::take(&mut lock(&self.state.log))
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, upstream: String, state: Arc<State>) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    while let Ok((stream, _)) = listener.accept().await {
        let (upstream, state, client) = (upstream.clone(), state.clone(), client.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| forward(request, &upstream, &state, &client));
            // An error here is a connection that was broken on purpose, or by a client that was killed.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn forward(
    request: Request<Incoming>,
    upstream: &str,
    state: &State,
    client: &Client<HttpConnector, Full<Bytes>>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let action = action(&parts, &body);
    let fault = {
        let mut plan = lock(&state.plan);
        let planned = plan.iter().position(|(name, _)| *name == action);
        planned.and_then(|index| plan.remove(index)).map(|(_, fault)| fault)
    };
    let access_key_id = access_key_id(&parts);
    let held = state.is_held();
    lock(&state.log).push(Seen { action: action.clone(), access_key_id, fault });
    if let Some((Hold::BeforeIt, told)) = &held {
        return never(told, action).await;
    }

    match fault {
        Some(Fault::Throttle) => {
            return Ok(refuse(&parts, 400, "ThrottlingException", "Rate exceeded"));
        }
        Some(Fault::ServerError(status)) => {
            return Ok(refuse(&parts, status, "InternalFailure", "an injected fault"));
        }
        Some(Fault::Reset) => return Err(std::io::Error::other("an injected reset")),
        Some(Fault::Delay(duration)) => tokio::time::sleep(duration).await,
        Some(Fault::LoseReply) | None => {}
    }
    // Host and authorization stay as they are: the signature was made for them.
    parts.uri = format!("{upstream}{}", parts.uri).parse().map_err(std::io::Error::other)?;
    let answer = client.request(Request::from_parts(parts, Full::new(body))).await.map_err(std::io::Error::other)?;
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    if let Some((Hold::AfterIt, told)) = &held {
        return never(told, action).await;
    }
    if fault == Some(Fault::LoseReply) {
        return Err(std::io::Error::other("an injected loss of the reply"));
    }
    Ok(Response::from_parts(parts, Full::new(body)))
}

impl State {
    /// Whether the call that arrives now is the one to hold up.
    fn is_held(&self) -> Option<(Hold, mpsc::Sender<String>)> {
        let mut hold = lock(&self.hold);
        let (skip, when, told) = hold.take()?;
        if skip == 0 {
            return Some((when, told));
        }
        *hold = Some((skip - 1, when, told));
        None
    }
}

/// Tells that the call stops here, and stops.
async fn never<T>(told: &mpsc::Sender<String>, action: String) -> T {
    // If nobody listens any more, the test is over.
    let _ = told.send(action);
    std::future::pending().await
}

/// The call's name: a form field, a header, or what method, path and query say.
fn action(parts: &http::request::Parts, body: &[u8]) -> String {
    if let Some(target) = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        return target.rsplit('.').next().unwrap_or(target).to_owned();
    }
    let body = String::from_utf8_lossy(body);
    if let Some(action) = body.split('&').find_map(|field| field.strip_prefix("Action=")) {
        return action.to_owned();
    }
    match parts.uri.path() {
        "/federation/credentials" => return "GetRoleCredentials".to_owned(),
        "/token" => return "CreateToken".to_owned(),
        _ => {}
    }
    let is_object = parts.uri.path().trim_matches('/').contains('/');
    let what = if is_object { "Object" } else { "Bucket" };
    // Only a sub-resource such as `?versioning` changes what a call is; `?x-id=PutObject` and paging do not.
    let query = parts.uri.query().unwrap_or_default();
    let subresource = query.split('&').find(|part| !part.is_empty() && !part.contains('=') || part.ends_with('='));
    let subresource = subresource.map(|part| format!("?{}", part.trim_end_matches('='))).unwrap_or_default();
    let verb = match parts.method.as_str() {
        "PUT" => "Put",
        "HEAD" => "Head",
        "GET" => "Get",
        "DELETE" => "Delete",
        other => other,
    };
    format!("{verb}{what}{subresource}")
}

fn access_key_id(parts: &http::request::Parts) -> String {
    credential(parts).split('/').next().unwrap_or_default().to_owned()
}

/// What the call was signed with: `KEY/DATE/REGION/SERVICE/aws4_request`.
fn credential(parts: &http::request::Parts) -> &str {
    let authorization = parts.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (_, credential) = authorization.split_once("Credential=").unwrap_or_default();
    credential.split(',').next().unwrap_or_default()
}

/// An error in the shape of the protocol that the call speaks.
fn refuse(parts: &http::request::Parts, status: u16, code: &str, message: &str) -> Response<Full<Bytes>> {
    let is_json = parts.headers.contains_key("x-amz-target");
    let is_s3 = credential(parts).split('/').nth(3) == Some("s3");
    // Only the calls of a portal carry a token instead.
    let is_unsigned = credential(parts).is_empty();
    let (status, code) = match code {
        // These have their own word and status for being too busy.
        "ThrottlingException" if is_s3 => (503, "SlowDown"),
        "ThrottlingException" if is_unsigned => (429, "TooManyRequestsException"),
        _ => (status, code),
    };
    let code = if !is_s3 && !is_json && !is_unsigned { code.trim_end_matches("Exception") } else { code };
    let body = if is_json || is_unsigned {
        serde_json::json!({ "__type": code, "message": message }).to_string()
    } else if is_s3 {
        format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>")
    } else {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        )
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = if is_json || is_unsigned { "application/x-amz-json-1.1" } else { "text/xml" };
    response.headers_mut().insert("content-type", http::HeaderValue::from_static(content_type));
    response
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
