//! One request: who it is for, whether it is small and believed, what it becomes, and a reply once that is durable.
//! Opens no connection, except to confirm a subscription of SNS.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::endpoint::Endpoint;
use super::limits::Limits;
use super::payload::{self, Accepted, Kind};
use super::server::{Door, Place};
use super::sns::Confirmations;
use super::table::Table;
use super::verify::{Delivery, Scheme, verify};
use super::webhooks::{Hook, Webhooks};
use crate::bus::{Bus, NewEvent};

/// Time for a body (F45).
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for the store; a sender is told to come back after it.
const STORE_TIMEOUT: Duration = Duration::from_secs(8);

/// What requests need.
#[derive(Debug)]
pub struct Shared {
    /// Where events go.
    pub bus: Bus,
    /// Said after each event, so that nobody has to look for it.
    pub news: Arc<Notify>,
    /// Certificates and confirmations of SNS.
    pub sns: Confirmations,
    /// `POST /webhooks/SOURCE`.
    pub webhooks: Webhooks,
    /// What addresses may ask for.
    pub limits: Arc<Limits>,
}

type Reply = Response<Full<Bytes>>;

/// A refusal on its way to the sender.
struct No(StatusCode, String);

/// Answers one request.
pub(super) async fn request(
    shared: &Shared,
    table: &Table,
    place: Place,
    request: Request<Incoming>,
) -> Reply {
    let Place { door, peer } = place;
    let path = request.uri().path().to_owned();
    if path == "/health" && request.method() == Method::GET {
        return text(StatusCode::OK, "OK");
    }
    if !shared.limits.ask(peer) {
        return refuse(StatusCode::TOO_MANY_REQUESTS, "too many requests from this address; send it again");
    }
    if door == Door::Main
        && let Some(source) = path.strip_prefix("/webhooks/")
    {
        return webhook(shared, source, peer, request).await;
    }
    let endpoint = match door {
        Door::Main => table.canonical(&path),
        Door::Port(port) => table.at(port, &path).or_else(|| table.canonical(&path)),
    };
    let Some(endpoint) = endpoint else { return error(StatusCode::NOT_FOUND, "nothing is received here") };
    if *request.method() != endpoint.method {
        let mut reply = error(StatusCode::METHOD_NOT_ALLOWED, &format!("use {}", endpoint.method));
        if let Ok(value) = HeaderValue::from_str(endpoint.method.as_str()) {
            reply.headers_mut().insert(hyper::header::ALLOW, value);
        }
        return reply;
    }
    match receive(shared, &endpoint, peer, request).await {
        Ok(reply) => reply,
        Err(No(status, why)) => {
            tracing::info!(source = endpoint.source, event = endpoint.name, %status, why, "request refused");
            refuse(status, &why)
        }
    }
}

async fn receive(
    shared: &Shared,
    endpoint: &Endpoint,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Result<Reply, No> {
    let (head, body) = request.into_parts();
    let body = read(&shared.limits, peer, &head.headers, body, endpoint.max_bytes).await?;
    let query = head.uri.query().unwrap_or("");
    let token = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "token");
    let token = token.map(|(_, value)| value.into_owned());
    let delivery =
        Delivery { headers: &head.headers, token: token.as_deref(), body: &body, now: shared.bus.now() };
    if let Some(secrets) = &endpoint.auth {
        believed(&Scheme::Bearer(secrets.clone()), delivery)?;
    }
    believed(&endpoint.scheme, delivery)?;
    if let Some(sns) = &endpoint.sns {
        let confirmed = shared.sns.judge(&body, sns).await.map_err(|why| {
            let status = if why.retriable { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::FORBIDDEN };
            No(status, why.text)
        })?;
        if confirmed {
            return Ok(json_reply(StatusCode::OK, &json!({"status": "confirmed"})));
        }
    }
    let given = payload::Request { method: &head.method, query, headers: &head.headers, body: &body };
    let accepted = payload::read(endpoint.kind, given, &endpoint.metadata)
        .map_err(|why| No(StatusCode::BAD_REQUEST, why.0))?;
    if let Some(challenge) = accepted.reply {
        return Ok(text(StatusCode::OK, &challenge));
    }
    let Some(event) = event(endpoint, accepted) else {
        return Ok(json_reply(StatusCode::OK, &json!({"status": "ignored"})));
    };
    publish(shared, event).await
}

fn believed(scheme: &Scheme, delivery: Delivery<'_>) -> Result<(), No> {
    verify(scheme, delivery).map_err(|why| {
        let status = if why.is_about_identity() { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        No(status, why.to_string())
    })
}

fn event(endpoint: &Endpoint, accepted: Accepted) -> Option<NewEvent> {
    let data = accepted.data?;
    if endpoint.kind == Kind::Stripe && !endpoint.stripe_types.is_empty() {
        let kind = data["event"]["type"].as_str().unwrap_or("");
        if !endpoint.stripe_types.iter().any(|wanted| wanted == kind) {
            return None;
        }
    }
    if let Some(expression) = &endpoint.filter {
        match runner_sensors::source_filter::keeps(expression, &data) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(why) => {
                tracing::warn!(
                    source = endpoint.source,
                    event = endpoint.name,
                    why,
                    "the filter of the source failed"
                );
                return None;
            }
        }
    }
    Some(NewEvent {
        namespace: endpoint.namespace.clone(),
        source: endpoint.source.clone(),
        name: endpoint.name.clone(),
        kind: endpoint.event_type.to_owned(),
        data,
        key: accepted.key,
        ..NewEvent::default()
    })
}

/// Answers only for what is durable.
async fn publish(shared: &Shared, event: NewEvent) -> Result<Reply, No> {
    let receipt = commit(shared, event).await?;
    if receipt.conflict {
        let why = format!("event {} has the same id and another body", receipt.id);
        return Err(No(StatusCode::CONFLICT, why));
    }
    let status = if receipt.duplicate { "duplicate" } else { "accepted" };
    Ok(json_reply(StatusCode::OK, &json!({"status": status, "id": receipt.id})))
}

async fn commit(shared: &Shared, event: NewEvent) -> Result<crate::bus::Receipt, No> {
    let unavailable = |why: String| {
        tracing::warn!(why, "an event could not be kept");
        No(StatusCode::SERVICE_UNAVAILABLE, "the event could not be kept; send it again".to_owned())
    };
    let receipt = tokio::time::timeout(STORE_TIMEOUT, shared.bus.publish(event)).await;
    let receipt = receipt.map_err(|_| unavailable("the store did not answer".to_owned()))?;
    let receipt = receipt.map_err(|error| unavailable(error.to_string()))?;
    shared.news.notify_one();
    Ok(receipt)
}

/// `POST /webhooks/SOURCE`, with the replies of its description.
async fn webhook(shared: &Shared, source: &str, peer: IpAddr, request: Request<Incoming>) -> Reply {
    let Some(hook) = shared.webhooks.get(source) else {
        return error(StatusCode::NOT_FOUND, "Unknown source");
    };
    if request.method() != Method::POST {
        return error(StatusCode::METHOD_NOT_ALLOWED, "use POST");
    }
    if let Some(why) = &hook.closed {
        return error(StatusCode::FORBIDDEN, why);
    }
    match hooked(shared, &hook, peer, request).await {
        Ok(reply) => reply,
        Err(No(status, why)) => refuse(status, &why),
    }
}

async fn hooked(shared: &Shared, hook: &Hook, peer: IpAddr, request: Request<Incoming>) -> Result<Reply, No> {
    let (head, body) = request.into_parts();
    let body = read(&shared.limits, peer, &head.headers, body, super::endpoint::BODY_LIMIT_BYTES).await?;
    let bad = |why: String| No(StatusCode::BAD_REQUEST, why);
    let delivery = Delivery { headers: &head.headers, token: None, body: &body, now: shared.bus.now() };
    verify(&hook.scheme, delivery).map_err(|why| bad(why.to_string()))?;
    if let Some(sns) = &hook.sns {
        let confirmed = shared.sns.judge(&body, sns).await.map_err(|why| {
            let status =
                if why.retriable { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_REQUEST };
            No(status, why.text)
        })?;
        if confirmed {
            return Ok(json_reply(StatusCode::OK, &json!({"status": "accepted"})));
        }
    }
    let event = hook.event(&head.headers, &body).map_err(bad)?;
    commit(shared, event).await?;
    Ok(json_reply(StatusCode::OK, &json!({"status": "accepted"})))
}

/// Reads a body that is not too large, too slow or one of too many.
async fn read(
    limits: &Arc<Limits>,
    peer: IpAddr,
    headers: &HeaderMap,
    body: Incoming,
    max_bytes: usize,
) -> Result<Bytes, No> {
    let too_large =
        || No(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {max_bytes} bytes"));
    if headers.get(CONTENT_ENCODING).is_some_and(|value| value != "identity") {
        return Err(No(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send the body without Content-Encoding".to_owned(),
        ));
    }
    let told = body.size_hint();
    let least = usize::try_from(told.lower()).unwrap_or(usize::MAX);
    if least > max_bytes {
        return Err(too_large());
    }
    let most = told.upper().and_then(|most| usize::try_from(most).ok()).unwrap_or(max_bytes).min(max_bytes);
    let busy = || No(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once; send it again".to_owned());
    let _room = limits.room(peer, most.max(1024)).ok_or_else(busy)?;
    let all = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, max_bytes).collect()).await;
    let all = all.map_err(|_| No(StatusCode::REQUEST_TIMEOUT, "the body did not come in time".to_owned()))?;
    match all {
        Ok(all) => Ok(all.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(No(StatusCode::BAD_REQUEST, "the body could not be read".to_owned())),
    }
}

fn refuse(status: StatusCode, why: &str) -> Reply {
    let mut reply = error(status, why);
    let after = match status {
        StatusCode::SERVICE_UNAVAILABLE => Some("5"),
        StatusCode::TOO_MANY_REQUESTS => Some("1"),
        _ => None,
    };
    if let Some(after) = after {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(after));
    }
    reply
}

fn error(status: StatusCode, why: &str) -> Reply {
    json_reply(status, &json!({"error": why}))
}

fn json_reply(status: StatusCode, body: &Value) -> Reply {
    with_type(status, "application/json", body.to_string())
}

fn text(status: StatusCode, body: &str) -> Reply {
    with_type(status, "text/plain; charset=utf-8", body.to_owned())
}

fn with_type(status: StatusCode, kind: &'static str, body: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}
