//! What a webhook at GitHub or GitLab is made of: the address that it calls, and the events of GitLab by the names of Argo
//! Events.
//! Knows no request: `runner_events::hooks` sends them.

use crate::spec::{GithubEventSource, GitlabEventSource, WebhookContext};

/// Events of GitLab: the name in an EventSource, and the field of a webhook. The first [`GITLAB_ALWAYS`] are in every
/// request, so that what GitLab turns on by itself (pushes) is off when it is not wanted.
pub const GITLAB_EVENTS: [(&str, &str); 18] = [
    ("PushEvents", "push_events"),
    ("TagPushEvents", "tag_push_events"),
    ("IssuesEvents", "issues_events"),
    ("ConfidentialIssuesEvents", "confidential_issues_events"),
    ("MergeRequestsEvents", "merge_requests_events"),
    ("NoteEvents", "note_events"),
    ("ConfidentialNoteEvents", "confidential_note_events"),
    ("JobEvents", "job_events"),
    ("PipelineEvents", "pipeline_events"),
    ("WikiPageEvents", "wiki_page_events"),
    ("EmojiEvents", "emoji_events"),
    ("DeploymentEvents", "deployment_events"),
    ("ReleasesEvents", "releases_events"),
    ("FeatureFlagEvents", "feature_flag_events"),
    ("MilestoneEvents", "milestone_events"),
    ("ResourceAccessTokenEvents", "resource_access_token_events"),
    ("ResourceDeployTokenEvents", "resource_deploy_token_events"),
    ("VulnerabilityEvents", "vulnerability_events"),
];
/// How many of [`GITLAB_EVENTS`] are in every request.
pub const GITLAB_ALWAYS: usize = 11;
/// Events that only groups of GitLab have.
pub const GITLAB_GROUP_EVENTS: [(&str, &str); 2] =
    [("SubGroupEvents", "subgroup_events"), ("MemberEvents", "member_events")];

fn has_address(webhook: Option<&WebhookContext>) -> bool {
    webhook.is_some_and(|webhook| !webhook.url.is_empty())
}

/// Whether a source makes webhooks at GitHub: it has credentials and `webhook.url`.
#[must_use]
pub fn github_makes(source: &GithubEventSource) -> bool {
    (source.api_token.is_some() || source.github_app.is_some()) && has_address(source.webhook.as_ref())
}

/// Whether a source makes webhooks at GitLab: it has credentials and `webhook.url`.
#[must_use]
pub fn gitlab_makes(source: &GitlabEventSource) -> bool {
    source.access_token.is_some() && has_address(source.webhook.as_ref())
}

/// The field of a webhook of GitLab for an event.
///
/// # Errors
/// A sentence for people that lists what there is. `only_groups`: the source names groups and no project.
pub fn gitlab_field(name: &str, only_groups: bool) -> Result<&'static str, String> {
    let find = |known: &[(&str, &'static str)]| {
        known.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
    };
    let group = find(&GITLAB_GROUP_EVENTS);
    if group.is_some() && !only_groups {
        return Err(format!("`{name}` is an event of groups: a source with projects cannot have it"));
    }
    find(&GITLAB_EVENTS).or(group).ok_or_else(|| {
        let groups = if only_groups { GITLAB_GROUP_EVENTS.as_slice() } else { &[] };
        let known: Vec<&str> = GITLAB_EVENTS.iter().chain(groups).map(|(name, _)| *name).collect();
        format!("`{name}` is not an event of GitLab: it is one of {}", known.join(", "))
    })
}

/// The address that a provider calls: `webhook.url` and behind it `webhook.endpoint`, with one slash between.
#[must_use]
pub fn hook_address(url: &str, endpoint: &str) -> String {
    format!("{}/{}", url.trim_end_matches('/'), endpoint.strip_prefix('/').unwrap_or(endpoint))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_event_of_gitlab_is_a_field_and_an_unknown_one_lists_those_there_are() {
        assert_eq!(gitlab_field("MergeRequestsEvents", false), Ok("merge_requests_events"));
        assert_eq!(gitlab_field("SubGroupEvents", true), Ok("subgroup_events"));
        let why = gitlab_field("push", false).unwrap_err();
        assert!(why.contains("PushEvents, TagPushEvents") && !why.contains("SubGroupEvents"), "{why}");
        assert!(gitlab_field("MemberEvents", false).unwrap_err().contains("event of groups"));
        // not a flag of events, though a field of the same struct in Argo Events
        assert!(gitlab_field("EnableSSLVerification", false).is_err());
    }

    #[test]
    fn an_address_has_one_slash_between_its_parts() {
        for (url, endpoint) in
            [("https://h", "/push"), ("https://h/", "/push"), ("https://h", "push"), ("https://h//", "push")]
        {
            assert_eq!(hook_address(url, endpoint), "https://h/push");
        }
        assert_eq!(hook_address("https://h/a", ""), "https://h/a/");
    }
}
