//! One call of gRPC over a Unix socket: a message there, a message back.
//! Knows nothing of artifacts, keeps no connection, and tries nothing again.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response};
use percent_encoding::percent_decode_str;
use prost::Message;
use tokio::net::UnixStream;

/// Where all calls of a driver go.
const SERVICE: &str = "artifact.ArtifactService";
/// Longest time of one call, which moves a whole artifact.
const CALL: Duration = Duration::from_secs(60 * 60);
/// Most bytes of an answer: listings are the long ones.
const ANSWER_BYTES: usize = 16 << 20;
/// Most characters of somebody else's explanation that go into a message.
const WORDS: usize = 2000;
/// Code of gRPC for what does not exist.
const NOT_FOUND: u16 = 5;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nobody took the call.
    Unreachable(String),
    /// The driver says that it does not exist.
    NotFound(String),
    /// It was taken, and went wrong.
    Broken(String),
}

/// Makes a call.
///
/// # Errors
/// [`Fault`].
pub(super) async fn unary<A: Message + Default>(
    socket: &Path,
    patience: Duration,
    method: &str,
    request: &impl Message,
) -> Result<A, Fault> {
    let late = || Fault::Unreachable(format!("no connection within {} s", patience.as_secs()));
    let sender = tokio::time::timeout(patience, connect(socket)).await.map_err(|_| late())?;
    let exchanged = exchange(sender?, method, frame(request)).await;
    let body = exchanged?;
    let [0, length @ ..] = body.get(..5).ok_or_else(|| broken("the answer has no message"))? else {
        return Err(broken("the answer is compressed, which was not agreed on"));
    };
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let message = body.get(5..).filter(|message| message.len() == length);
    let message = message.ok_or_else(|| broken("the answer is cut off, or more than one message"))?;
    A::decode(message).map_err(|error| broken(&format!("the answer cannot be read: {error}")))
}

/// Connects and waits until the other side has answered a ping: whoever accepts may still not speak HTTP/2.
async fn connect(socket: &Path) -> Result<SendRequest<Bytes>, Fault> {
    let unreachable = |error: io::Error| Fault::Unreachable(error.to_string());
    let stream = UnixStream::connect(socket).await.map_err(unreachable)?;
    let no_grpc = |error: h2::Error| Fault::Unreachable(format!("what answers there is no gRPC: {error}"));
    let (sender, mut connection) = h2::client::handshake(stream).await.map_err(no_grpc)?;
    let ping = connection.ping_pong();
    // It ends when the sender is dropped; what goes wrong with it is what the sender says.
    tokio::spawn(connection);
    if let Some(mut ping) = ping {
        ping.ping(h2::Ping::opaque()).await.map_err(no_grpc)?;
    }
    sender.ready().await.map_err(no_grpc)
}

/// A message with its length before it, as gRPC frames it.
fn frame(request: &impl Message) -> Bytes {
    let message = request.encode_to_vec();
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.extend_from_slice(&[0]);
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend_from_slice(&message);
    framed.freeze()
}

async fn exchange(sender: SendRequest<Bytes>, method: &str, body: Bytes) -> Result<Bytes, Fault> {
    let late = || broken(&format!("no answer within {} s", CALL.as_secs()));
    tokio::time::timeout(CALL, ask(sender, method, body)).await.map_err(|_| late())?
}

async fn ask(mut sender: SendRequest<Bytes>, method: &str, body: Bytes) -> Result<Bytes, Fault> {
    let lost = |error: h2::Error| broken(&format!("the connection was lost: {error}"));
    let request = Request::post(format!("http://localhost/{SERVICE}/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .map_err(|error| broken(&error.to_string()))?;
    let (answer, mut stream) = sender.send_request(request, false).map_err(lost)?;
    stream.send_data(body, true).map_err(lost)?;
    let answer: Response<h2::RecvStream> = answer.await.map_err(lost)?;
    if answer.status() != http::StatusCode::OK {
        return Err(broken(&format!("it answered {}", answer.status())));
    }
    let (head, mut body) = answer.into_parts();
    let mut received = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(lost)?;
        if received.len() + chunk.len() > ANSWER_BYTES {
            return Err(broken(&format!("the answer has more than {ANSWER_BYTES} bytes")));
        }
        // A window that is not given back stops the answer, which the time limit ends.
        let _ = body.flow_control().release_capacity(chunk.len());
        received.extend_from_slice(&chunk);
    }
    let trailers = body.trailers().await.map_err(lost)?;
    // A call that fails at once has its status among the first headers.
    judge(trailers.as_ref().unwrap_or(&head.headers))?;
    Ok(received.freeze())
}

fn judge(headers: &HeaderMap) -> Result<(), Fault> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let code = text("grpc-status").and_then(|code| code.parse::<u16>().ok());
    let words = || bounded(&percent_decode_str(text("grpc-message").unwrap_or_default()).decode_utf8_lossy());
    match code {
        Some(0) => Ok(()),
        Some(NOT_FOUND) => Err(Fault::NotFound(words())),
        Some(12) => Err(broken(&format!("it does not have this call (gRPC status 12): {}", words()))),
        Some(code) => Err(broken(&format!("gRPC status {code}: {}", words()))),
        None => Err(broken("the answer has no status of gRPC")),
    }
}

/// The beginning of an explanation.
pub(super) fn bounded(words: &str) -> String {
    words.trim().chars().take(WORDS).collect()
}

fn broken(why: &str) -> Fault {
    Fault::Broken(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_decides() {
        let headers = |pairs: &[(&'static str, &str)]| {
            let pairs = pairs.iter().filter_map(|(name, value)| Some((*name, value.parse().ok()?)));
            pairs.map(|(name, value)| (http::HeaderName::from_static(name), value)).collect::<HeaderMap>()
        };
        assert!(judge(&headers(&[("grpc-status", "0")])).is_ok());
        let gone = judge(&headers(&[("grpc-status", "5"), ("grpc-message", "caf%C3%A9%20gone: 100% %zz")]));
        assert!(matches!(gone, Err(Fault::NotFound(words)) if words == "café gone: 100% %zz"));
        assert!(matches!(judge(&headers(&[])), Err(Fault::Broken(_))));
        assert_eq!(bounded(&"x".repeat(5000)).len(), WORDS);
    }
}
