//! Triggers `slack`: one message to a channel through Slack's API.
//! Does not try again: the machine decides that.

use runner_sensors::spec::SlackTrigger;
use runner_store::Memo;
use serde_json::{Value, json};

use super::{Done, Failed, Hands, Order};
use crate::ingress::identity::sha256;

/// Slack's API.
pub(super) const API: &str = "https://slack.com/api";
/// Cache of the first messages of threads, by channel and `messageAggregationKey`.
const THREADS: &str = "runner-slack-thread";

impl Hands {
    pub(super) async fn slack(&self, order: &Order, slack: &SlackTrigger) -> Result<Done, Failed> {
        let token = slack.slack_token.as_ref().ok_or_else(|| Failed::never("slackToken is missing"))?;
        let token = self.secret(&order.namespace, token)?;
        let mut body = json!({"channel": slack.channel.trim_start_matches('#'), "text": slack.message});
        for (name, text) in [("attachments", &slack.attachments), ("blocks", &slack.blocks)] {
            if !text.is_empty() {
                body[name] = serde_json::from_str::<Value>(text)
                    .map_err(|error| Failed::never(format!("{name} is not JSON: {error}")))?;
            }
        }
        if let Some(sender) = &slack.sender {
            if !sender.username.is_empty() {
                body["username"] = json!(sender.username);
            }
            if !sender.icon.is_empty() {
                body[if sender.icon.starts_with(':') { "icon_emoji" } else { "icon_url" }] =
                    json!(sender.icon);
            }
        }
        let thread = slack.thread.as_ref().filter(|thread| !thread.message_aggregation_key.is_empty());
        let place = thread.map(|thread| {
            sha256(format!("{}\n{}", slack.channel, thread.message_aggregation_key).as_bytes())
        });
        let first = match &place {
            Some(place) => self.first_of(place).await?,
            None => None,
        };
        if let (Some(first), Some(thread)) = (&first, thread) {
            body["thread_ts"] = json!(first);
            body["reply_broadcast"] = json!(thread.broadcast_message_to_channel);
        }
        let api = &self.slack_api;
        let request = self.client.post(format!("{api}/chat.postMessage")).bearer_auth(token).json(&body);
        let answer =
            request.send().await.map_err(|error| Failed::now(format!("Slack: {}", error.without_url())))?;
        let status = answer.status();
        let answer: Value = answer.json().await.unwrap_or_default();
        if status.is_success() && answer["ok"] == true {
            if let (None, Some(place), Some(ts)) = (&first, &place, answer["ts"].as_str()) {
                self.remember(place, ts).await;
            }
            return Ok(Done { message: format!("message sent to {}", slack.channel), workflow: None });
        }
        let why = answer["error"].as_str().unwrap_or_default();
        let retriable = status.is_server_error() || status.as_u16() == 429 || why == "ratelimited";
        Err(Failed { message: format!("Slack answered {status} {why}"), retriable })
    }
    /// The first message of a thread, as Slack calls it: by its time.
    async fn first_of(&self, place: &str) -> Result<Option<String>, Failed> {
        let found = Memo::get_memo(self.bus.store().as_ref(), THREADS, place).await;
        let found =
            found.map_err(|error| Failed { retriable: error.is_retriable(), message: error.to_string() })?;
        Ok(found.and_then(|entry| String::from_utf8(entry.body).ok()))
    }

    async fn remember(&self, place: &str, ts: &str) {
        let store = self.bus.store().as_ref();
        if let Err(error) =
            Memo::put_memo(store, THREADS, place, ts.as_bytes().to_vec(), self.bus.now()).await
        {
            // the message is sent: sending it again would be worse than a second thread
            tracing::warn!(%error, "the first message of a Slack thread is not remembered");
        }
    }
}
