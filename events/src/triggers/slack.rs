//! Triggers `slack`: one message to a channel through Slack's API.
//! Does not try again: the machine decides that.

use runner_sensors::spec::SlackTrigger;
use serde_json::{Value, json};

use super::{Done, Failed, Hands, Order};

/// Slack's API, unless the environment names another for tests.
const API: &str = "https://slack.com/api";
/// The environment variable that names another API.
const VARIABLE: &str = "RUNNER_SLACK_API";

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
        let api = std::env::var(VARIABLE).unwrap_or_else(|_| API.to_owned());
        let request = self.client.post(format!("{api}/chat.postMessage")).bearer_auth(token).json(&body);
        let answer =
            request.send().await.map_err(|error| Failed::now(format!("Slack: {}", error.without_url())))?;
        let status = answer.status();
        let answer: Value = answer.json().await.unwrap_or_default();
        if status.is_success() && answer["ok"] == true {
            return Ok(Done { message: format!("message sent to {}", slack.channel), workflow: None });
        }
        let why = answer["error"].as_str().unwrap_or_default();
        let retriable = status.is_server_error() || status.as_u16() == 429 || why == "ratelimited";
        Err(Failed { message: format!("Slack answered {status} {why}"), retriable })
    }
}
