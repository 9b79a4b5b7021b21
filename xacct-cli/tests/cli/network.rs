//! Between the program and AWS: proxies, and clocks that differ.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::support::{Place, Said, said};

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "example")];
const EXPIRED: &str =
    "Signature expired: 20260101T120000Z is now earlier than 20260101T121000Z (20260101T121500Z - 5 min.)";

/// Something on this machine that is spoken to as if it were a proxy, or AWS itself.
struct Listener {
    address: SocketAddr,
    /// The first line of each request.
    requests: Receiver<String>,
}

impl Listener {
    /// Answers every request with that.
    fn start(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(line) = heard(&stream, &answer) else { continue };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { address, requests }
    }

    fn next(&self) -> String {
        self.requests.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// The first line of a request, which is read with its headers and its body and then answered.
fn heard(mut stream: &TcpStream, answer: &str) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    std::io::Read::read_exact(&mut reader, &mut vec![0; length]).ok()?;
    stream.write_all(answer.as_bytes()).ok()?;
    Some(first.trim().to_owned())
}

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// What STS says when it refuses.
fn refusal(code: &str, message: &str) -> String {
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
    answer("403 Forbidden", &format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>"))
}

fn status(variables: &[(&str, &str)]) -> Said {
    Place::new().run_with(&[&KEYS[..], variables].concat(), &["status", "Tools"])
}

#[test]
fn a_proxy_is_asked_to_connect_to_aws() {
    let proxy = Listener::start(answer("403 Forbidden", ""));
    let place = Place::new();
    let mut command = place.command(&["status", "Tools"]);
    command.envs(KEYS).env("HTTPS_PROXY", proxy.url());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let request = proxy.next();
    // It would go on trying.
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(request, "CONNECT sts.eu-west-1.amazonaws.com:443 HTTP/1.1");
}

#[test]
fn a_proxy_passes_on_what_is_not_encrypted() {
    let proxy = Listener::start(refusal("SignatureDoesNotMatch", EXPIRED));
    let said = status(&[("http_proxy", &proxy.url()), ("AWS_ENDPOINT_URL", "http://aws.example")]);
    assert_eq!(proxy.next(), "POST http://aws.example/ HTTP/1.1");
    said.refuses(5, &[]);
}

#[test]
fn hosts_that_need_no_proxy_are_spoken_to_directly() {
    let aws = Listener::start(refusal("SignatureDoesNotMatch", EXPIRED));
    let proxy = "http://127.0.0.1:9";
    let variables = [("HTTP_PROXY", proxy), ("AWS_ENDPOINT_URL", &aws.url()), ("NO_PROXY", "localhost,127.0.0.0/8")];
    status(&variables).refuses(5, &[]);
    assert_eq!(aws.next(), "POST / HTTP/1.1");
}

#[test]
fn a_proxy_that_cannot_be_reached_is_named_without_its_password() {
    let place = Place::new();
    let variables = [("HTTPS_PROXY", "http://me:tr0ub4dor@127.0.0.1:9"), ("NO_PROXY", "example.com")];
    let said = place.run_with(&variables, &["doctor", "--offline"]);
    said.refuses(0, &[]);
    assert!(said.out.contains("http://me:****@127.0.0.1:9") && said.out.contains("HTTPS_PROXY"), "{}", said.out);
    assert!(said.out.contains("example.com") && !said.out.contains("tr0ub4dor"), "{}", said.out);
}

#[test]
fn a_clock_that_is_wrong_is_not_taken_for_bad_credentials() {
    let aws = Listener::start(refusal("SignatureDoesNotMatch", EXPIRED));
    let refused = status(&[("AWS_ENDPOINT_URL", &aws.url())]);
    refused.refuses(
        5,
        &[
            "this machine's clock is wrong, says AWS for tools (111111111111/eu-west-1)",
            "the clock here says 2026-01-01T12:00:00Z, AWS's says 2026-01-01T12:15:00Z",
            "set this machine's clock",
        ],
    );
    assert!(!refused.err.contains("aws sso login"), "{}", refused.err);
    said(Place::new().command(&["explain", "clock"]).output().unwrap()).refuses(0, &[]);
}
