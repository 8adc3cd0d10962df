//! Requests to the API of a cluster, as JSON; what passes by itself is tried again as in Argo's executor.
//! Knows no kinds: paths are made elsewhere.

use std::time::Duration;

use http::{Method, Request, StatusCode};
use runner_kube::kube::{self, Client};
use runner_runners::typed::Order;
use serde_json::Value;

use crate::{Problem, Result};

/// How often a request is sent that met trouble which passes by itself.
const TRIES: u32 = 5;
/// The first pause between two of them; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest wait for an answer. A connection that went silent must not hold the step (F65).
const ANSWER: Duration = Duration::from_secs(30);

/// A cluster.
pub(crate) struct Api {
    client: Client,
    /// The namespace of objects that name none: the workflow's.
    pub(crate) namespace: String,
}

/// A request that got no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    /// Status code; 0 when there was no answer.
    pub(crate) code: u16,
    /// Kubernetes' word for it, such as `AlreadyExists`.
    pub(crate) reason: String,
    /// For people.
    pub(crate) message: String,
    /// The request did not reach anybody.
    unsent: bool,
}

impl Bad {
    /// There is no such object.
    pub(crate) fn not_found(&self) -> bool {
        self.code == 404
    }

    /// There is one already.
    pub(crate) fn exists(&self) -> bool {
        self.code == 409 && self.reason == "AlreadyExists"
    }

    /// It may pass by itself.
    pub(crate) fn passing(&self) -> bool {
        matches!(self.code, 0 | 429 | 500 | 502..=504)
            || (self.code == 403 && self.message.contains("exceeded quota"))
    }

    /// Nothing happened in the cluster.
    fn undone(&self) -> bool {
        self.unsent || matches!(self.code, 429) || self.code == 403
    }
}

impl From<Bad> for Problem {
    fn from(bad: Bad) -> Self {
        Self::Refused(bad.message)
    }
}

/// A request.
pub(crate) struct Call<'a> {
    /// Method.
    pub(crate) method: Method,
    /// Path with query.
    pub(crate) path: &'a str,
    /// Type and text of the body.
    pub(crate) body: Option<(&'static str, &'a Value)>,
    /// Sending it twice does no more than sending it once.
    pub(crate) repeatable: bool,
}

impl Api {
    /// Makes the client; sends nothing.
    ///
    /// # Errors
    /// Input when there is no cluster, or its kubeconfig cannot be used.
    pub(crate) async fn connect(order: &Order) -> Result<Self> {
        let wrong = |error: runner_kube::Error| Problem::Input(error.to_string());
        let mut config = runner_kube::config(&order.cluster).await.map_err(wrong)?;
        config.read_timeout = Some(ANSWER);
        let client = runner_kube::from(config).map_err(wrong)?;
        let namespace = if order.namespace.is_empty() { "default" } else { &order.namespace };
        Ok(Self { client, namespace: namespace.to_owned() })
    }

    /// Asks for something.
    pub(crate) async fn get(&self, path: &str) -> std::result::Result<Value, Bad> {
        self.call(Call { method: Method::GET, path, body: None, repeatable: true }).await
    }

    /// Sends a request, again while that can help and does no harm.
    pub(crate) async fn call(&self, call: Call<'_>) -> std::result::Result<Value, Bad> {
        let mut pause = FIRST_PAUSE;
        let mut left = TRIES;
        loop {
            left -= 1;
            let bad = match self.once(&call).await {
                Ok(answer) => return Ok(answer),
                Err(bad) => bad,
            };
            if left == 0 || !bad.passing() || !(call.repeatable || bad.undone()) {
                return Err(bad);
            }
            crate::say(&format!("{}; trying again", bad.message));
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// Sends a request once.
    pub(crate) async fn once(&self, call: &Call<'_>) -> std::result::Result<Value, Bad> {
        let mut request = Request::builder().method(call.method.clone()).uri(call.path);
        request = request.header("accept", "application/json");
        let mut bytes = Vec::new();
        if let Some((kind, body)) = call.body {
            request = request.header("content-type", kind);
            bytes = body.to_string().into_bytes();
        }
        let request = request.body(bytes).map_err(|error| refused(error.to_string()))?;
        let answer = tokio::time::timeout(ANSWER * 2, self.client.request_text(request)).await;
        let text = answer.map_err(|_| silent())?.map_err(|error| bad(&error))?;
        serde_json::from_str(&text).map_err(|error| refused(format!("an answer that is not JSON: {error}")))
    }
}

fn refused(message: String) -> Bad {
    Bad { code: StatusCode::BAD_REQUEST.as_u16(), reason: String::new(), message, unsent: false }
}

fn silent() -> Bad {
    let message = "the API server did not answer in time".to_owned();
    Bad { code: 0, reason: String::new(), message, unsent: false }
}

fn bad(error: &kube::Error) -> Bad {
    match error {
        kube::Error::Api(status) => Bad {
            code: status.code,
            reason: status.reason.clone(),
            message: if status.message.is_empty() { status.reason.clone() } else { status.message.clone() },
            unsent: false,
        },
        other => {
            let message = runner_kube::chain(other);
            let unsent = message.contains("refused") || message.contains("unreachable");
            Bad { code: 0, reason: String::new(), message, unsent }
        }
    }
}
