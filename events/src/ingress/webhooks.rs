//! `POST /webhooks/SOURCE`: the sources cloudwatch, grafana, github and pagerduty under short names, for triggers of a
//! configuration file. Their events have the source's name, the provider's type and `{header, body}` as data.
//! Matches no triggers.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use hyper::{HeaderMap, Method};
use serde_json::Value;

use super::endpoint::Sns;
use super::identity::sha256;
use super::payload::{self, Kind};
use super::verify::Scheme;
use crate::bus::NewEvent;

/// Type of event source of these events.
pub const KIND: &str = "webhooks";

/// Sources by name, replaced as a whole.
#[derive(Debug, Default)]
pub struct Webhooks(RwLock<BTreeMap<String, Arc<Hook>>>);

impl Webhooks {
    /// The source of a name.
    #[must_use]
    pub fn get(&self, source: &str) -> Option<Arc<Hook>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(source).cloned()
    }

    /// Replaces all sources.
    pub fn set(&self, hooks: impl IntoIterator<Item = Hook>) {
        let hooks = hooks.into_iter().map(|hook| (hook.source.clone(), Arc::new(hook))).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = hooks;
    }
}

/// One source.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Its name: `cloudwatch`, `grafana`, `github` or `pagerduty`.
    pub source: String,
    /// Namespace of its events.
    pub namespace: String,
    /// Who may send.
    pub scheme: Scheme,
    /// Messages of SNS.
    pub sns: Option<Sns>,
    /// The same content within so many seconds is one event; 0 turns it off.
    pub window_s: i64,
    /// Why nobody may send: what senders are told.
    pub closed: Option<String>,
}

impl Hook {
    /// Whether anybody may send.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.scheme, Scheme::Open) && !self.sns.as_ref().is_some_and(|sns| sns.signed)
    }

    /// The event in a request that is believed.
    ///
    /// # Errors
    /// A sentence for the sender.
    pub fn event(&self, headers: &HeaderMap, body: &[u8]) -> Result<NewEvent, String> {
        let kind = match self.source.as_str() {
            "github" => Kind::Github,
            "cloudwatch" => Kind::Sns,
            _ => Kind::Webhook,
        };
        let request = payload::Request { method: &Method::POST, query: "", headers, body };
        let accepted = payload::read(kind, request, &BTreeMap::new()).map_err(|why| why.0)?;
        let data = accepted.data.unwrap_or(Value::Null);
        let name = self.event_type(headers, &data["body"])?;
        // an id of the sender is good for as long as the event is kept, the content only for a while
        let window_s = if accepted.key.is_none() { self.window_s.max(0) } else { 0 };
        let content = || (window_s > 0).then(|| sha256(data["body"].to_string().as_bytes()));
        let key = accepted.key.or_else(content);
        Ok(NewEvent {
            namespace: self.namespace.clone(),
            source: self.source.clone(),
            name,
            kind: KIND.to_owned(),
            data,
            key,
            window_s,
            ..NewEvent::default()
        })
    }

    /// The provider's word for what happened, as triggers name it in `event_type`.
    fn event_type(&self, headers: &HeaderMap, body: &Value) -> Result<String, String> {
        match self.source.as_str() {
            "github" => {
                let header = headers.get("X-GitHub-Event").and_then(|value| value.to_str().ok());
                header.map(str::to_owned).ok_or_else(|| "X-GitHub-Event is missing".to_owned())
            }
            "grafana" => Ok("alert".to_owned()),
            "cloudwatch" => {
                let message =
                    body["Message"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
                let alarm = message.is_some_and(|message| message["AlarmName"].is_string());
                Ok(if alarm { "alarm" } else { "notification" }.to_owned())
            }
            "pagerduty" => {
                let kind = body["event"]["event_type"].as_str();
                kind.map(str::to_owned).ok_or_else(|| "the body has no event.event_type".to_owned())
            }
            _ => Ok("event".to_owned()),
        }
    }
}
