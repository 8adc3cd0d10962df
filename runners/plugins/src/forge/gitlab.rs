//! GitLab's REST API v4: merge requests and their notes.
//! Decides nothing: `forge` does.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Calls, Found, MergeRequest};
use crate::work::Result;
use crate::work::api::Api;

/// How many pages of notes are read.
const PAGES: u32 = 20;

pub(super) struct GitLab {
    pub(super) api: Api,
    pub(super) project: String,
}

impl GitLab {
    fn path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        let mut path = vec!["api", "v4", "projects", self.project.as_str()];
        path.extend(rest);
        path
    }

    fn body(wanted: &MergeRequest, description: &str) -> Value {
        let mut body = json!({"title": wanted.title, "description": description});
        if !wanted.labels.0.is_empty() {
            body["labels"] = json!(wanted.labels.0.join(","));
        }
        if wanted.remove_source_branch.0 {
            body["remove_source_branch"] = json!(true);
        }
        body
    }
}

fn found(value: &Value) -> Found {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    Found {
        id: value["iid"].as_u64().map(|id| id.to_string()).unwrap_or_default(),
        url: text("web_url"),
        title: text("title"),
        description: text("description"),
        open: value["state"] == "opened",
    }
}

impl Calls for GitLab {
    fn requests(&self, wanted: &MergeRequest) -> Result<Vec<Found>> {
        let query = [
            ("source_branch", wanted.source.as_str()),
            ("target_branch", wanted.target.as_str()),
            ("state", "all"),
            ("order_by", "created_at"),
            ("sort", "desc"),
            ("per_page", "100"),
        ];
        let list = self.api.expect(Method::GET, &self.path(&["merge_requests"]), &query, None)?;
        Ok(list.as_array().map(|items| items.iter().map(found).collect()).unwrap_or_default())
    }

    fn create(&self, wanted: &MergeRequest, description: &str) -> Result<Option<Found>> {
        let mut body = Self::body(wanted, description);
        body["source_branch"] = json!(wanted.source);
        body["target_branch"] = json!(wanted.target);
        let path = self.path(&["merge_requests"]);
        let reply = self.api.send(Method::POST, &path, &[], Some(&body))?;
        match reply.status {
            409 => Ok(None),
            _other if reply.ok() => Ok(Some(found(&reply.body))),
            _other => Err(self.api.refusal(&Method::POST, &path, &reply)),
        }
    }

    fn update(&self, known: &Found, wanted: &MergeRequest, description: &str) -> Result<Found> {
        if known.title == wanted.title && known.description == description {
            return Ok(known.clone());
        }
        let path = self.path(&["merge_requests", &known.id]);
        let body = Self::body(wanted, description);
        self.api.expect(Method::PUT, &path, &[], Some(&body)).map(|value| found(&value))
    }

    fn find_comment(&self, request: &str, needle: &str) -> Result<Option<(String, String)>> {
        let path = self.path(&["merge_requests", request, "notes"]);
        for page in 1..=PAGES {
            let page = page.to_string();
            let list = self.api.expect(Method::GET, &path, &[("per_page", "100"), ("page", &page)], None)?;
            let Some(items) = list.as_array() else { break };
            for note in items {
                let body = note["body"].as_str().unwrap_or_default();
                if let (true, Some(id)) = (body.contains(needle), note["id"].as_u64()) {
                    return Ok(Some((id.to_string(), body.to_owned())));
                }
            }
            if items.len() < 100 {
                break;
            }
        }
        Ok(None)
    }

    fn write_comment(&self, request: &str, id: Option<&str>, body: &str) -> Result<String> {
        let mut path = self.path(&["merge_requests", request, "notes"]);
        let method = if let Some(id) = id {
            path.push(id);
            Method::PUT
        } else {
            Method::POST
        };
        let note = self.api.expect(method, &path, &[], Some(&json!({"body": body})))?;
        Ok(note["id"].as_u64().map(|id| id.to_string()).unwrap_or_default())
    }
}
