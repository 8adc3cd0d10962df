//! A small HTTP server for fakes: one thread per connection, JSON in and out, every request kept.
//! A FAKE's base and no server for anything else: no keep-alive, no TLS.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// GET, POST, ...
    pub(crate) method: String,
    /// The path as it was sent, still encoded.
    pub(crate) path: String,
    /// The query, decoded.
    pub(crate) query: BTreeMap<String, String>,
    /// Headers, names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body; null without one.
    pub(crate) body: Value,
}

/// What a fake answers: a status and a body, or nothing at all (the connection breaks).
pub(crate) type Answer = Option<(u16, Value)>;

/// A server on 127.0.0.1 that lives until the end of the process.
pub(crate) struct Server {
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    /// Every request so far.
    pub(crate) requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts with a handler.
    pub(crate) fn start(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (handler, seen) = (Arc::new(handler), requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (handler, seen) = (handler.clone(), seen.clone());
                std::thread::spawn(move || serve(stream, handler.as_ref(), &seen));
            }
        });
        Self { url, requests }
    }
}

fn serve(stream: TcpStream, handler: &(impl Fn(&Request) -> Answer + ?Sized), seen: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    });
    let request = Request {
        method,
        path: path.to_owned(),
        query: query.collect(),
        headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    seen.lock().unwrap().push(request.clone());
    let Some((status, body)) = handler(&request) else { return };
    let text = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\nwww-authenticate: Basic realm=\"fake\"\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        text.len()
    );
    let mut stream = stream;
    // The other side may be gone.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(text.as_bytes()));
}

fn decode(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                out.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
                at += 3;
            }
            b'+' => {
                out.push(b' ');
                at += 1;
            }
            other => {
                out.push(other);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap()
}
