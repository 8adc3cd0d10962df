//! GitHub's REST API: pull requests and the comments of their issues.
//! Decides nothing: `forge` does.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Calls, Found, MergeRequest};
use crate::work::api::Api;
use crate::work::{Result, say};

/// How many pages of comments are read.
const PAGES: u32 = 20;

pub(super) struct GitHub {
    pub(super) api: Api,
    pub(super) owner: String,
    pub(super) repository: String,
}

impl GitHub {
    fn path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        let mut path = vec!["repos", self.owner.as_str(), self.repository.as_str()];
        path.extend(rest);
        path
    }

    /// Labels belong to the issue behind a pull request; adding one that is there changes nothing.
    fn label(&self, id: &str, wanted: &MergeRequest) -> Result<()> {
        if wanted.labels.0.is_empty() {
            return Ok(());
        }
        let path = self.path(&["issues", id, "labels"]);
        self.api.expect(Method::POST, &path, &[], Some(&json!({"labels": wanted.labels.0}))).map(drop)
    }
}

fn found(value: &Value) -> Found {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    Found {
        id: value["number"].as_u64().map(|id| id.to_string()).unwrap_or_default(),
        url: text("html_url"),
        title: text("title"),
        description: text("body"),
        open: value["state"] == "open",
    }
}

impl Calls for GitHub {
    fn requests(&self, wanted: &MergeRequest) -> Result<Vec<Found>> {
        let head = format!("{}:{}", self.owner, wanted.source);
        let query = [
            ("head", head.as_str()),
            ("base", wanted.target.as_str()),
            ("state", "all"),
            ("sort", "created"),
            ("direction", "desc"),
            ("per_page", "100"),
        ];
        let list = self.api.expect(Method::GET, &self.path(&["pulls"]), &query, None)?;
        Ok(list.as_array().map(|items| items.iter().map(found).collect()).unwrap_or_default())
    }

    fn create(&self, wanted: &MergeRequest, description: &str) -> Result<Option<Found>> {
        let body = json!({
            "title": wanted.title, "body": description, "head": wanted.source, "base": wanted.target,
        });
        let path = self.path(&["pulls"]);
        let reply = self.api.send(Method::POST, &path, &[], Some(&body))?;
        if reply.status == 409 || (reply.status == 422 && reply.complaint().contains("already exists")) {
            return Ok(None);
        }
        if !reply.ok() {
            return Err(self.api.refusal(&Method::POST, &path, &reply));
        }
        let made = found(&reply.body);
        if wanted.remove_source_branch.0 {
            say(
                "GitHub removes source branches by a setting of the repository: removeSourceBranch has no effect",
            );
        }
        self.label(&made.id, wanted)?;
        Ok(Some(made))
    }

    fn update(&self, known: &Found, wanted: &MergeRequest, description: &str) -> Result<Found> {
        self.label(&known.id, wanted)?;
        if known.title == wanted.title && known.description == description {
            return Ok(known.clone());
        }
        let body = json!({"title": wanted.title, "body": description});
        let path = self.path(&["pulls", &known.id]);
        self.api.expect(Method::PATCH, &path, &[], Some(&body)).map(|value| found(&value))
    }

    fn find_comment(&self, request: &str, needle: &str) -> Result<Option<(String, String)>> {
        let path = self.path(&["issues", request, "comments"]);
        for page in 1..=PAGES {
            let page = page.to_string();
            let list = self.api.expect(Method::GET, &path, &[("per_page", "100"), ("page", &page)], None)?;
            let Some(items) = list.as_array() else { break };
            for comment in items {
                let body = comment["body"].as_str().unwrap_or_default();
                if let (true, Some(id)) = (body.contains(needle), comment["id"].as_u64()) {
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
        let (method, path) = match id {
            Some(id) => (Method::PATCH, self.path(&["issues", "comments", id])),
            None => (Method::POST, self.path(&["issues", request, "comments"])),
        };
        let comment = self.api.expect(method, &path, &[], Some(&json!({"body": body})))?;
        Ok(comment["id"].as_u64().map(|id| id.to_string()).unwrap_or_default())
    }
}
