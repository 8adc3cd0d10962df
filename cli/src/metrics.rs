//! `/metrics` of an engine, in Prometheus' text format: what the `metrics` blocks of its workflows came to.
//! Measures nothing itself, and serves nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::exit::{Code, Failure, Result};

/// Longest time that one scrape may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A bound address.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    /// Where it is.
    pub address: SocketAddr,
}

impl Server {
    /// Binds; port 0 means any that is free.
    ///
    /// # Errors
    /// Exit code 7 when the address is taken.
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Failure::new(Code::Conflict, format!("--metrics-address {address}: {error}"))
                .hint("use another port, or port 0 for any that is free")
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Answers one scrape after the other, for ever.
    pub async fn serve(&self, text: impl Fn() -> String) -> Infallible {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let service = service_fn(|request| {
                let answer = answer(&request, &text);
                async move { Ok::<_, Infallible>(answer) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // a client that goes away or says nothing is no matter of ours
            let _gone = tokio::time::timeout(PATIENCE, served).await;
        }
    }
}

fn answer<B>(request: &Request<B>, text: &impl Fn() -> String) -> Response<Full<Bytes>> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, build_info() + &text()),
        (&Method::GET | &Method::HEAD, "/healthz") => (StatusCode::OK, "ok\n".to_owned()),
        (&Method::GET | &Method::HEAD, _) => (StatusCode::NOT_FOUND, "see /metrics\n".to_owned()),
        _other => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn build_info() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "# HELP runner_build_info Version of the engine.\n# TYPE runner_build_info gauge\n\
         runner_build_info{{version=\"{version}\"}} 1\n"
    )
}
