//! The action delete: objects go, and the step waits until they are gone, as kubectl does.
//! What is not there is fine.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::action::{Target, Work};
use crate::api::{Call, passing};
use crate::kinds;
use crate::manifest::{field, label};
use crate::{Problem, Result, say};

/// Pause between two looks at an object that is going.
const LOOK: Duration = Duration::from_secs(1);

impl Work<'_> {
    /// Deletes what manifest or flags name.
    pub(crate) async fn delete(&self, objects: Vec<Value>) -> Result<()> {
        let mut targets = Vec::new();
        for object in &objects {
            targets.push(self.target(Some(object)).await?);
        }
        if objects.is_empty() {
            targets = if self.flags.selector.is_some() || self.flags.all {
                self.selected().await?
            } else {
                self.named().await?
            };
            if targets.is_empty() && self.flags.selector.is_none() && !self.flags.all {
                return Err(Problem::Input("resource: the flags name nothing to delete".to_owned()));
            }
        }
        let mut going = Vec::new();
        for target in &targets {
            going.extend(self.remove(target).await?);
        }
        if !self.flags.no_wait && !self.flags.dry_run {
            for (path, uid) in going {
                self.gone(&path, &uid).await?;
            }
        }
        Ok(())
    }

    /// Objects of one kind, by labels or all of them.
    async fn selected(&self) -> Result<Vec<Target>> {
        let [word] = self.flags.words.as_slice() else {
            return Err(Problem::Input("resource: -l and --all go with one kind and no names".to_owned()));
        };
        let namespace = self.namespace(None)?;
        let kind = kinds::of_word(self.api, word).await?;
        let mut path = kind.list(&namespace)?;
        if let Some(selector) = &self.flags.selector {
            path = format!("{path}?labelSelector={}", encode(selector));
        }
        let list = self.api.get(&path).await?;
        let names = list["items"].as_array().into_iter().flatten();
        let names = names.filter_map(|object| field(object, &["metadata", "name"]).map(str::to_owned));
        Ok(names.map(|name| Target { kind: kind.clone(), namespace: namespace.clone(), name }).collect())
    }

    /// Asks for one object to go; gives its path and identity when it was there.
    async fn remove(&self, target: &Target) -> Result<Option<(String, String)>> {
        let path = target.path()?;
        let object = match self.api.get(&path).await {
            Ok(object) => object,
            Err(bad) if bad.not_found() => {
                say(&format!("{}/{} is not there", target.kind.kind.to_ascii_lowercase(), target.name));
                return Ok(None);
            }
            Err(bad) => return Err(bad.into()),
        };
        let uid = field(&object, &["metadata", "uid"]).unwrap_or_default().to_owned();
        let mut options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": self.flags.cascade.policy(),
        });
        if !uid.is_empty() {
            // A new object of the same name is not the one that was meant.
            options["preconditions"] = json!({"uid": uid});
        }
        if let Some(seconds) = self.flags.grace_seconds {
            options["gracePeriodSeconds"] = json!(seconds);
        }
        if self.flags.dry_run {
            options["dryRun"] = json!(["All"]);
        }
        let body = Some(("application/json", &options));
        let call = Call { method: Method::DELETE, path: &path, body, repeatable: true };
        match self.api.call(call).await {
            Ok(_) => {
                say(&format!("{} deleted", label(&object)));
                Ok(Some((path, uid)))
            }
            Err(bad) if bad.not_found() => Ok(None),
            Err(bad) => Err(bad.into()),
        }
    }

    async fn gone(&self, path: &str, uid: &str) -> Result<()> {
        loop {
            match self.api.get(path).await {
                Err(bad) if bad.not_found() => return Ok(()),
                Ok(object) if field(&object, &["metadata", "uid"]).is_some_and(|now| now != uid) => {
                    return Ok(());
                }
                Ok(_) => {}
                Err(bad) if passing(&bad) => {}
                Err(bad) => return Err(bad.into()),
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Text as a value in a query.
fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v31_a_selector_adds_no_parameters() {
        assert_eq!(encode("app in (a,b)&x=1"), "app%20in%20%28a%2Cb%29%26x%3D1");
    }
}
