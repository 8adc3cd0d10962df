//! The rules of `github` and `gitlab`, and what is said about the webhooks that they make at their providers.
//! Asks no provider.

use runner_workflows::diagnostic::Diagnostic;

use super::report::{At, Report};
use super::source_parts::rule;
use crate::forges::{github_makes, gitlab_field, gitlab_makes};
use crate::spec::{GithubEventSource, GitlabEventSource, WebhookContext};

pub(super) fn github(report: &mut Report<'_>, at: &At, source: &GithubEventSource) {
    let repositories =
        !source.repositories.is_empty() || !source.owner.is_empty() && !source.repository.is_empty();
    match (repositories, !source.organizations.is_empty()) {
        (false, false) => rule(report, at, false, "either repositories or organizations is required"),
        (true, true) => rule(report, at, false, "only one of repositories and organizations is allowed"),
        (true, false) | (false, true) => {}
    }
    let creates = github_makes(source);
    rule(
        report,
        at,
        !creates || !source.events.is_empty(),
        "events must be defined to create a github webhook",
    );
    if let Some(app) = &source.github_app {
        let whole = app.private_key.is_some() && app.app_id.is_some() && app.installation_id.is_some();
        rule(report, &at.key("githubApp"), whole, "githubApp needs privateKey, appID and installationID");
    }
    if creates && source.active != Some(true) {
        let text = "without `active: true` the webhook is made, and GitHub sends nothing to it";
        report.warning(at, "inactive", text);
    }
    if !matches!(source.content_type.as_str(), "" | "json" | "form") {
        report.error(&at.key("contentType"), "event-source", "content type must be \"json\" or \"form\"");
    }
    let (base, upload) = (source.github_base_url.is_empty(), source.github_upload_url.is_empty());
    rule(report, at, upload || !base, "githubBaseURL is required when githubUploadURL is set");
    rule(report, at, base || !upload, "githubUploadURL is required when githubBaseURL is set");
    if source.webhook_secret.is_none() {
        let text = "without `webhookSecret` anybody who reaches the endpoint can send events";
        report.warning(at, "unverified", text);
    }
    plain(report, at, "githubBaseURL", &source.github_base_url, creates);
    let fields = ["apiToken", "githubApp", "deleteHookOnFinish"];
    unmade(report, at, "GitHub", source.webhook.as_ref(), creates, &fields);
}

pub(super) fn gitlab(report: &mut Report<'_>, at: &At, source: &GitlabEventSource) {
    rule(report, at, !source.events.is_empty(), "events can't be empty");
    rule(report, at, !source.gitlab_base_url.is_empty(), "gitlab base url can't be empty");
    rule(report, at, source.access_token.is_some(), "access token can't be nil");
    let only_groups = source.projects.is_empty() && source.project_id.is_empty();
    for (i, event) in source.events.iter().enumerate() {
        let known = gitlab_field(event, only_groups).map(drop);
        report.good(&at.key("events").index(i), "event-source", known);
    }
    let creates = gitlab_makes(source);
    plain(report, at, "gitlabBaseURL", &source.gitlab_base_url, creates);
    unmade(report, at, "GitLab", source.webhook.as_ref(), creates, &["accessToken", "deleteHookOnFinish"]);
}

/// A warning when the credentials go to a server that is not this machine without TLS.
fn plain(report: &mut Report<'_>, at: &At, field: &str, base: &str, creates: bool) {
    let near = |rest: &str| {
        ["localhost", "127.0.0.1", "[::1]"].iter().any(|host| {
            rest.strip_prefix(host).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        })
    };
    if creates && base.strip_prefix("http://").is_some_and(|rest| !near(rest)) {
        let text = "without https whoever stands between reads the token";
        report.warning(&at.key(field), "insecure", text);
    }
}

/// Notes that fields have no effect, because no webhook is made.
fn unmade(
    report: &mut Report<'_>,
    at: &At,
    provider: &str,
    webhook: Option<&WebhookContext>,
    creates: bool,
    fields: &[&str],
) {
    if creates {
        return;
    }
    let missing = if webhook.is_some_and(|webhook| !webhook.url.is_empty()) {
        "no credentials are given"
    } else {
        "`webhook.url` is missing"
    };
    for field in fields {
        let at = at.key(field);
        if report.has(&at) {
            let text = format!(
                "`{field}` has no effect here because {missing}: no webhook is made at {provider}. Write there under which \
                 address {provider} reaches this source, or enter address and secret at {provider} by hand"
            );
            report.push(&at, Diagnostic::note("no-effect", text));
        }
    }
}

#[cfg(test)]
mod tests {
    use runner_workflows::parse::Limits;

    use crate::load::read_file;
    use crate::validate::validate;

    fn said(spec: &str) -> String {
        let text = format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: EventSource\nmetadata: {{name: es}}\nspec: {spec}\n"
        );
        let (objects, problems, _) = read_file("es.yaml", &text, Limits::default());
        assert!(problems.is_empty(), "{problems:?}");
        objects.iter().flat_map(|object| validate(object, None)).map(|one| one.message + "\n").collect()
    }

    const GITHUB: &str = "owner: o, repository: r, events: [push], apiToken: {name: t, key: k}, \
        webhookSecret: {name: t, key: s}, deleteHookOnFinish: true";
    const GITLAB: &str =
        "projects: [a/b], gitlabBaseURL: 'https://gitlab.com', accessToken: {name: t, key: k}";

    #[test]
    fn a_token_without_an_address_is_said_to_make_no_webhook_and_with_one_nothing_is_said() {
        let passive = said(&format!("{{github: {{e: {{{GITHUB}, webhook: {{endpoint: /e, port: '1'}}}}}}}}"));
        assert!(
            passive.contains("`apiToken` has no effect here because `webhook.url` is missing"),
            "{passive}"
        );
        assert!(passive.contains("`deleteHookOnFinish` has no effect"), "{passive}");
        let hook = "webhook: {endpoint: /e, port: '1', url: 'https://h'}";
        let makes = said(&format!("{{github: {{e: {{{GITHUB}, active: true, {hook}}}}}}}"));
        assert_eq!(makes, "");
        let inactive = said(&format!("{{github: {{e: {{{GITHUB}, {hook}}}}}}}"));
        assert!(inactive.contains("without `active: true`"), "{inactive}");
        let passive = said(&format!(
            "{{gitlab: {{e: {{{GITLAB}, events: [PushEvents], webhook: {{endpoint: /e, port: '1'}}}}}}}}"
        ));
        assert!(passive.contains("`accessToken` has no effect"), "{passive}");
        assert_eq!(said(&format!("{{gitlab: {{e: {{{GITLAB}, events: [PushEvents], {hook}}}}}}}")), "");
    }

    #[test]
    fn an_unknown_event_half_an_app_and_a_token_without_tls_are_said() {
        let hook = "webhook: {endpoint: /e, port: '1', url: 'https://h'}";
        let unknown = said(&format!("{{gitlab: {{e: {{{GITLAB}, events: [PushEvents, Push], {hook}}}}}}}"));
        assert!(unknown.contains("`Push` is not an event of GitLab: it is one of PushEvents"), "{unknown}");
        let app = "owner: o, repository: r, events: [push], active: true, webhookSecret: {name: t, key: s}, githubApp: {appID: 1}";
        let half = said(&format!("{{github: {{e: {{{app}, {hook}}}}}}}"));
        assert!(half.contains("githubApp needs privateKey, appID and installationID"), "{half}");
        let gitlab = GITLAB.replace("https:", "http:");
        let open = said(&format!("{{gitlab: {{e: {{{gitlab}, events: [PushEvents], {hook}}}}}}}"));
        assert!(open.contains("without https"), "{open}");
    }
}
