//! Requests to the API of a cluster, as JSON; what passes by itself is tried again as in Argo's executor.
//! Knows no kinds: paths are made elsewhere.

use std::time::Duration;

use http::Method;
use runner_kube::objects::{BadName, Objects, Refused};
use runner_runners::typed::Order;
use serde_json::Value;

use crate::{Problem, Result};

/// How often a request is sent that met trouble which passes by itself.
const TRIES: u32 = 5;
/// The first pause between two of them; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A cluster.
pub(crate) struct Api {
    objects: Objects,
    /// The namespace of objects that name none: the workflow's.
    pub(crate) namespace: String,
}

/// It may pass by itself.
pub(crate) fn passing(refused: &Refused) -> bool {
    matches!(refused.code, 0 | 429 | 500 | 502..=504)
        || (refused.code == 403 && refused.message.contains("exceeded quota"))
}

/// Nothing happened in the cluster.
fn undone(refused: &Refused) -> bool {
    refused.unsent || matches!(refused.code, 429) || refused.code == 403
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused.message)
    }
}

impl From<BadName> for Problem {
    fn from(bad: BadName) -> Self {
        Self::Input(format!("resource: {bad}"))
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
        let config = runner_kube::config(&order.cluster).await.map_err(wrong)?;
        let objects = Objects::new(config).map_err(wrong)?;
        let namespace = if order.namespace.is_empty() { "default" } else { &order.namespace };
        Ok(Self { objects, namespace: namespace.to_owned() })
    }

    /// Asks for something.
    pub(crate) async fn get(&self, path: &str) -> std::result::Result<Value, Refused> {
        self.call(Call { method: Method::GET, path, body: None, repeatable: true }).await
    }

    /// Sends a request, again while that can help and does no harm.
    pub(crate) async fn call(&self, call: Call<'_>) -> std::result::Result<Value, Refused> {
        let mut pause = FIRST_PAUSE;
        let mut left = TRIES;
        loop {
            left -= 1;
            let refused = match self.once(&call).await {
                Ok(answer) => return Ok(answer),
                Err(refused) => refused,
            };
            if left == 0 || !passing(&refused) || !(call.repeatable || undone(&refused)) {
                return Err(refused);
            }
            crate::say(&format!("{}; trying again", refused.message));
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// Sends a request once.
    pub(crate) async fn once(&self, call: &Call<'_>) -> std::result::Result<Value, Refused> {
        self.objects.send(call.method.clone(), call.path, call.body).await
    }
}
