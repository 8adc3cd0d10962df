//! Executor plugins behind HTTP: Argo's `POST /api/v1/template.execute`, asked again for as long as it says so.
//! Knows no plugin: name and address come from the configuration (`runners.plugins.NAME`).

use std::time::{Duration, Instant};

use runner_runners::ExitPhase;
use runner_runners::typed::ServerOrder;
use runner_runners::web::{self, Wanted};
use runner_workflows::spec::Outputs;
use serde::Deserialize;
use serde_json::json;

use crate::order::{Done, Failure, Step};

/// Longest time of one request, as in Argo's client.
const REQUEST: Duration = Duration::from_secs(30);
/// How often a server that is not there yet is asked, and how long the first pause is (as in Argo's client).
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Most bytes of an answer.
const ANSWER_BYTES: usize = 8 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reply {
    node: Option<Node>,
    requeue: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Node {
    phase: String,
    message: String,
    outputs: Option<Outputs>,
    progress: String,
}

/// Lets the configured server execute the template.
///
/// # Errors
/// Error when there is no such server; Failed and Error as the server says.
pub fn run(step: &Step) -> Result<Done, Failure> {
    let name = step.plugin_name().unwrap_or_default();
    let Some(server) = step.order().server.as_ref() else {
        return Err(Failure::error(format!(
            "there is no plugin {name:?}: set its address as runners.plugins.{name}.url in the configuration"
        )));
    };
    step.block_on(converse(step, server))
}

async fn converse(step: &Step, server: &ServerOrder) -> Result<Done, Failure> {
    let order = step.order();
    let url = format!("{}/api/v1/template.execute", server.url.trim_end_matches('/'));
    let token = server.token_variable.as_ref().and_then(|variable| std::env::var(variable).ok());
    // The address comes from the configuration: what http steps may reach does not concern it.
    let policy = runner_runners::typed::HttpPolicy { deny_private: false, allow_link_local: true };
    let client = web::client(Wanted { policy, secret: true, timeout: Some(REQUEST), insecure: false });
    let client = client.map_err(Failure::error)?;
    let body = json!({
        "workflow": {"metadata": {
            "name": order.workflow, "namespace": order.namespace, "uid": order.workflow_uid,
        }},
        "template": order.template,
    });
    loop {
        let request = client.post(&url).bearer_auth(token.as_deref().unwrap_or_default()).json(&body);
        let reply = ask(request).await?;
        let Some(node) = reply.node else {
            return Err(Failure::failed("no plugin executed the template"));
        };
        let pause = reply.requeue.as_deref().map(pause).transpose()?.filter(|pause| !pause.is_zero());
        if let Some((Ok(done), Ok(total))) =
            node.progress.split_once('/').map(|(d, t)| (d.parse(), t.parse()))
        {
            step.progress(done, total);
        }
        match (finished(node), pause) {
            (Some(outcome), _) => return outcome,
            (None, Some(pause)) => tokio::time::sleep(pause).await,
            (None, None) => {
                return Err(Failure::error(
                    "the plugin is neither done nor wants to be asked again (requeue)",
                ));
            }
        }
    }
}

/// The outcome, once there is one.
fn finished(node: Node) -> Option<Result<Done, Failure>> {
    let outputs = node.outputs.unwrap_or_default();
    let failed = |phase, message| {
        let outputs = Box::new(outputs.clone());
        Some(Err(Failure { phase, message, outputs }))
    };
    match node.phase.as_str() {
        "Succeeded" => Some(Ok(Done { message: node.message, outputs, ..Done::default() })),
        "Failed" => failed(ExitPhase::Failed, node.message),
        "Error" => failed(ExitPhase::Error, node.message),
        "" | "Pending" | "Running" => None,
        other => failed(ExitPhase::Error, format!("the plugin answered the unknown phase {other:?}")),
    }
}

/// One question. A server that is not there yet (refused, or 503) is waited for a little, as Argo's client does.
async fn ask(request: reqwest::RequestBuilder) -> Result<Reply, Failure> {
    let mut pause = FIRST_PAUSE;
    let mut left = TRIES;
    loop {
        left -= 1;
        let unclonable = || Failure::error("the request cannot be sent twice");
        let why = match request.try_clone().ok_or_else(unclonable)?.send().await {
            Ok(response) if response.status().as_u16() == 503 => read(response).await?.1,
            Ok(response) => return answer(read(response).await?),
            Err(error) if error.is_connect() => web::chain(&error),
            Err(error) => return Err(Failure::failed(web::chain(&error))),
        };
        if left == 0 {
            return Err(Failure::failed(why));
        }
        let started = Instant::now();
        tokio::time::sleep(pause).await;
        pause = (started.elapsed() * 2).min(Duration::from_secs(16));
    }
}

async fn read(mut response: reqwest::Response) -> Result<(reqwest::StatusCode, String), Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Failure::failed(web::chain(&error)))? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Err(Failure::failed("the plugin's answer is too large"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((response.status(), String::from_utf8_lossy(&body).into_owned()))
}

fn answer((status, body): (reqwest::StatusCode, String)) -> Result<Reply, Failure> {
    match status.as_u16() {
        200 => serde_json::from_str(&body)
            .map_err(|error| Failure::failed(format!("the plugin's answer cannot be read: {error}"))),
        // It does not implement the method.
        404 => Ok(Reply::default()),
        _other => Err(Failure::failed(format!("{status}: {body}"))),
    }
}

/// A Go duration such as `1m30s`.
fn pause(text: &str) -> Result<Duration, Failure> {
    runner_runners::typed::go_duration(text).ok_or_else(|| {
        Failure::error(format!("the plugin answered the requeue {text:?}, which is no duration"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_of_a_reply_decide() {
        let node = |phase: &str| Node { phase: phase.into(), message: "m".into(), ..Node::default() };
        assert!(matches!(finished(node("Succeeded")), Some(Ok(done)) if done.message == "m"));
        assert!(
            matches!(finished(node("Failed")), Some(Err(f)) if f.phase == ExitPhase::Failed && f.message == "m")
        );
        assert!(matches!(finished(node("Error")), Some(Err(f)) if f.phase == ExitPhase::Error));
        assert!(finished(node("Running")).is_none());
        assert!(matches!(finished(node("Odd")), Some(Err(f)) if f.message.contains("Odd")));
    }
}
