//! The rules that several types of event sources share: listeners, logins, watched paths, durations.
//! Does not know which type needs which.

use regex::Regex;

use super::report::{At, Report};
use crate::duration;
use crate::spec::{BasicAuth, SaslConfig, TlsConfig, WatchPathConfig, WebhookContext};

/// A listener: endpoint and port, as Argo's ValidateWebhookContext.
pub(super) fn webhook(report: &mut Report<'_>, at: &At, webhook: Option<&WebhookContext>) {
    let Some(webhook) = webhook else {
        report.error(at, "field-missing", "`webhook` is required: it says where to listen");
        return;
    };
    if webhook.endpoint.is_empty() {
        report.error(at, "field-missing", "endpoint can't be empty");
    } else if !webhook.endpoint.starts_with('/') {
        let text = format!("`{}` is served as `/{}`", webhook.endpoint, webhook.endpoint);
        report.warning(&at.key("endpoint"), "endpoint", text);
    }
    if webhook.port.is_empty() {
        report.error(at, "field-missing", "port can't be empty");
    } else if !webhook.port.parse::<u16>().is_ok_and(|port| port > 0) {
        let text = format!("`{}` is not a port: write \"12000\"", webhook.port);
        report.error(&at.key("port"), "port", text);
    }
    if webhook.server_cert_secret.is_some() != webhook.server_key_secret.is_some() {
        let text = "TLS needs both `serverCertSecret` and `serverKeySecret`: this listener has none";
        report.warning(at, "tls", text);
    }
}

/// A client's TLS, as Argo's ValidateTLSConfig: a key belongs to its certificate, and something is said.
pub(super) fn tls(report: &mut Report<'_>, at: &At, tls: Option<&TlsConfig>) {
    let Some(tls) = tls else { return };
    let at = at.key("tls");
    if tls.insecure_skip_verify {
        let text =
            "the server's certificate is not checked: whoever stands between can read and change everything";
        report.warning(&at.key("insecureSkipVerify"), "insecure", text);
        return;
    }
    if tls.client_cert_secret.is_some() != tls.client_key_secret.is_some() {
        report.error(&at, "tls", "clientCertSecret and clientKeySecret must be given together");
    }
    let nothing = tls.ca_cert_secret.is_none() && tls.client_cert_secret.is_none() && !tls.enabled;
    if nothing {
        report.error(
            &at,
            "tls",
            "tls needs caCertSecret, a pair of clientCertSecret and clientKeySecret, or enabled: true",
        );
    }
}

/// A name and a password, both or none, as Argo's ValidateBasicAuth.
pub(super) fn basic(report: &mut Report<'_>, at: &At, auth: Option<&BasicAuth>) {
    let Some(auth) = auth else { return };
    if auth.username.is_none() || auth.password.is_none() {
        report.error(&at.key("auth"), "field-missing", "`auth` needs both username and password");
    }
}

/// A login to Kafka, as Argo's ValidateSASLConfig.
pub(super) fn sasl(report: &mut Report<'_>, at: &At, sasl: Option<&SaslConfig>) {
    let Some(sasl) = sasl else { return };
    let at = at.key("sasl");
    let known = ["", "PLAIN", "OAUTHBEARER", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI"];
    if !known.contains(&sasl.mechanism.as_str()) {
        let text = format!("`{}` is not a mechanism: it is one of {}", sasl.mechanism, known[1..].join(", "));
        report.error(&at.key("mechanism"), "sasl", text);
    }
    if sasl.user_secret.is_none() || sasl.password_secret.is_none() {
        report.error(&at, "field-missing", "`sasl` needs both userSecret and passwordSecret");
    }
}

/// A directory and a path or pattern in it, as Argo's WatchPathConfig.
pub(super) fn watch(report: &mut Report<'_>, at: &At, watch: Option<&WatchPathConfig>) {
    let Some(watch) = watch else {
        report.missing(at, "watchPathConfig");
        return;
    };
    paths(report, &at.key("watchPathConfig"), &watch.directory, &watch.path, &watch.path_regexp);
}

pub(super) fn paths(report: &mut Report<'_>, at: &At, directory: &str, path: &str, pattern: &str) {
    if !directory.starts_with('/') {
        report.error(at, "watch-path", "`directory` must be an absolute path");
    }
    match (path.is_empty(), pattern.is_empty()) {
        (true, true) => report.error(at, "watch-path", "either path or pathRegexp must be specified"),
        (false, false) => report.error(at, "watch-path", "path and pathRegexp cannot be specified together"),
        (false, true) if path.starts_with('/') => {
            report.error(&at.key("path"), "watch-path", "`path` must be relative to `directory`");
        }
        (true, false) => {
            let result = Regex::new(pattern).map(|_| ()).map_err(|error| format!("`{pattern}`: {error}"));
            report.good(&at.key("pathRegexp"), "watch-path", result);
        }
        (false, true) => {}
    }
}

/// A duration in Go's text, if there is one.
pub(super) fn interval(report: &mut Report<'_>, at: &At, field: &str, text: &str) {
    if !text.is_empty() {
        report.good(&at.key(field), "duration", duration::parse(text));
    }
}

/// An error that a rule is broken.
pub(super) fn rule(report: &mut Report<'_>, at: &At, good: bool, text: &str) {
    if !good {
        report.error(at, "event-source", text);
    }
}
