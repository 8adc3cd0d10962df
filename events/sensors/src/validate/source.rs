//! The rules of an EventSource, type by type, as Argo's validators.
//! What several types share is in `source_parts`.

use std::collections::BTreeSet;

use super::forge;
use super::report::{At, Report};
use super::source_parts::{basic, interval, paths, rule, sasl, tls, watch, webhook};
use crate::kinds::{SourceConfig, SourceEvent};
use crate::schedule::Schedule;
use crate::selector;
use crate::source_filter;
use crate::spec::{
    AmqpEventSource, CalendarEventSource, EventSource, HdfsEventSource, KafkaEventSource, ResourceEventSource,
};

pub(super) fn check(report: &mut Report<'_>, source: &EventSource) {
    let root = At::root();
    let spec = root.key("spec");
    report.required(&root, "metadata.name", &source.metadata.name);
    let events = source.spec.events();
    if events.is_empty() {
        report.error(&spec, "no-events", "the EventSource has no events: name a type and an event below it");
    }
    let mut names = BTreeSet::new();
    for event in &events {
        let at = spec.key(event.kind.field()).key(event.name);
        if !names.insert(event.name) {
            let text = format!("more than one \"{}\" found in the spec", event.name);
            report.error(&at, "duplicate-event", text);
        }
        one(report, &at, event);
        if let Some(expression) = event.expression() {
            report.good(&at.keys("filter.expression"), "source-filter", source_filter::check(expression));
        }
    }
    let recreate = events.iter().find(|event| event.kind.recreates());
    let rolling = events.iter().find(|event| !event.kind.recreates());
    if let (Some(recreate), Some(rolling)) = (recreate, rolling) {
        let text = "event sources with rolling update and recreate update strategy can not be put together";
        let text = format!(
            "{text}: make `{}` and `{}` two EventSources",
            recreate.kind.field(),
            rolling.kind.field()
        );
        report.error(&spec, "mixed-sources", text);
    }
}

fn one(report: &mut Report<'_>, at: &At, event: &SourceEvent<'_>) {
    listeners(report, at, event);
    brokers(report, at, event);
    clouds(report, at, event);
    watchers(report, at, event);
}

/// Types that listen for requests.
fn listeners(report: &mut Report<'_>, at: &At, event: &SourceEvent<'_>) {
    let listener = event.webhook();
    let place = if matches!(event.config, SourceConfig::Webhook(_)) { at.clone() } else { at.key("webhook") };
    let place = if report.has(&place) { place } else { at.clone() };
    match event.config {
        SourceConfig::Webhook(_) => {}
        SourceConfig::Github(source) => forge::github(report, at, source),
        SourceConfig::Gitlab(source) => forge::gitlab(report, at, source),
        SourceConfig::Bitbucket(source) => {
            let one = !source.owner.is_empty() && !source.repository_slug.is_empty();
            rule(report, at, one || !source.repositories.is_empty(), "at least one repository is required");
            let creates = source.auth.is_some() && source.webhook.as_ref().is_some_and(|w| !w.url.is_empty());
            rule(
                report,
                at,
                !creates || !source.events.is_empty(),
                "events must be defined to create a bitbucket webhooks",
            );
        }
        SourceConfig::BitbucketServer(source) => {
            let creates =
                source.access_token.is_some() && source.webhook.as_ref().is_some_and(|w| !w.url.is_empty());
            rule(
                report,
                at,
                !creates || !source.events.is_empty(),
                "events must be defined to create a bitbucket server webhook",
            );
            let url = &source.bitbucketserver_base_url;
            rule(report, at, !url.is_empty(), "bitbucket server base url can't be empty");
            interval(report, at, "checkInterval", &source.check_interval);
        }
        SourceConfig::Gerrit(source) => {
            rule(report, at, !source.projects.is_empty(), "projects cannot be empty");
            rule(report, at, !source.events.is_empty(), "events can't be empty");
            rule(report, at, !source.gerrit_base_url.is_empty(), "gerrit base url can't be empty");
            rule(report, at, source.auth.is_some(), "username and password can't be empty");
        }
        SourceConfig::Slack(source) => {
            rule(report, at, source.token.is_some(), "token not provided");
            rule(report, at, source.signing_secret.is_some(), "signingSecret not provided");
        }
        SourceConfig::Sns(source) => {
            rule(report, at, !source.topic_arn.is_empty(), "must specify topic arn");
            rule(report, at, !source.region.is_empty(), "must specify region");
        }
        SourceConfig::StorageGrid(source) => {
            rule(report, at, !source.topic_arn.is_empty(), "topic arn must be provided");
            rule(report, at, !source.api_url.is_empty(), "api url must be provided");
            rule(report, at, source.auth_token.is_some(), "api auth token must be provided");
            rule(report, at, !source.bucket.is_empty(), "bucket name must be provided");
            rule(report, at, !source.events.is_empty(), "event types must be provided");
        }
        SourceConfig::Stripe(source) => {
            let good = !source.create_webhook || source.api_key.is_some();
            rule(report, at, good, "api key K8s secret selector not provided");
        }
        _ => return,
    }
    webhook(report, &place, listener.as_ref());
}

/// Types that consume from a broker.
fn brokers(report: &mut Report<'_>, at: &At, event: &SourceEvent<'_>) {
    match event.config {
        SourceConfig::Amqp(source) => amqp(report, at, source),
        SourceConfig::Kafka(source) => kafka(report, at, source),
        SourceConfig::Mqtt(source) => {
            rule(report, at, !source.url.is_empty(), "url must be specified");
            rule(report, at, !source.topic.is_empty(), "topic must be specified");
            rule(report, at, !source.client_id.is_empty(), "client id must be specified");
            tls(report, at, source.tls.as_ref());
            basic(report, at, source.auth.as_ref());
        }
        SourceConfig::Nats(source) => {
            rule(report, at, !source.url.is_empty(), "url must be specified");
            rule(report, at, !source.subject.is_empty(), "subject must be specified");
            tls(report, at, source.tls.as_ref());
            let queue = at.key("queue");
            let empty = report.has(&queue) && source.queue.is_empty();
            rule(report, &queue, !empty, "queue group cannot be empty if specified");
        }
        SourceConfig::Nsq(source) => {
            rule(report, at, !source.host_address.is_empty(), "host address must be specified");
            rule(report, at, !source.topic.is_empty(), "topic must be specified");
            rule(report, at, !source.channel.is_empty(), "channel must be specified");
            tls(report, at, source.tls.as_ref());
        }
        SourceConfig::Emitter(source) => {
            rule(report, at, !source.broker.is_empty(), "broker url must be specified");
            rule(report, at, !source.channel_name.is_empty(), "channel name must be specified");
            rule(report, at, !source.channel_key.is_empty(), "channel key secret selector must be specified");
            tls(report, at, source.tls.as_ref());
        }
        SourceConfig::Redis(source) => {
            rule(report, at, !source.host_address.is_empty(), "host address must be specified");
            rule(report, at, !source.channels.is_empty(), "channel/s must be specified");
            let text = "namespace must be defined in order to retrieve the password from the secret";
            rule(report, at, source.password.is_none() || !source.namespace.is_empty(), text);
            tls(report, at, source.tls.as_ref());
        }
        SourceConfig::RedisStream(source) => {
            rule(report, at, !source.host_address.is_empty(), "host address must be specified");
            rule(report, at, !source.streams.is_empty(), "stream/streams must be specified");
            tls(report, at, source.tls.as_ref());
        }
        SourceConfig::Pulsar(source) => {
            rule(report, at, !source.url.is_empty(), "url must be specified");
            rule(report, at, !source.topics.is_empty(), "topics must be specified");
            tls(report, at, source.tls.as_ref());
        }
        _ => {}
    }
}

fn amqp(report: &mut Report<'_>, at: &At, source: &AmqpEventSource) {
    let (url, secret) = (!source.url.is_empty(), source.url_secret.is_some());
    rule(report, at, url || secret, "either url or urlSecret must be specified");
    rule(report, at, !(url && secret), "only one of url or urlSecret can be specified");
    rule(report, at, !source.routing_key.is_empty(), "routing key must be specified");
    rule(report, at, !source.exchange_type.is_empty(), "exchange type must be specified");
    tls(report, at, source.tls.as_ref());
    basic(report, at, source.auth.as_ref());
}

fn kafka(report: &mut Report<'_>, at: &At, source: &KafkaEventSource) {
    rule(report, at, !source.url.is_empty(), "url must be specified");
    rule(report, at, !source.topic.is_empty(), "topic must be specified");
    let some = !source.partition.is_empty() || source.consumer_group.is_some();
    rule(report, at, some, "consumerGroup or partition must be specified");
    tls(report, at, source.tls.as_ref());
    sasl(report, at, source.sasl.as_ref());
    if let Some(iam) = &source.aws_msk_iam_auth {
        rule(report, at, !iam.region.is_empty(), "awsMskIamAuth.region must be specified");
    }
}

/// Types that consume from a cloud.
fn clouds(report: &mut Report<'_>, at: &At, event: &SourceEvent<'_>) {
    match event.config {
        SourceConfig::Sqs(source) => {
            rule(report, at, !source.region.is_empty(), "must specify region");
            rule(report, at, !source.queue.is_empty(), "must specify queue name");
        }
        SourceConfig::Mns(source) => {
            rule(report, at, !source.queue.is_empty(), "must specify queue name");
            rule(report, at, !source.endpoint.is_empty(), "must specify a endpoint");
        }
        SourceConfig::PubSub(source) => {
            let (topic, subscription) = (!source.topic.is_empty(), !source.subscription_id.is_empty());
            let text = "you can't specify topicProjectID if you don't specify topic";
            rule(report, at, source.topic_project_id.is_empty() || topic, text);
            rule(report, at, topic || subscription, "must specify topic or subscriptionID");
        }
        SourceConfig::AzureEventsHub(source) => {
            rule(report, at, !source.fqdn.is_empty(), "FQDN is not specified");
            rule(report, at, !source.hub_name.is_empty(), "hub name/path is not specified");
            let both = source.shared_access_key.is_some() == source.shared_access_key_name.is_some();
            rule(report, at, both, "sharedAccessKey and sharedAccessKeyName must be given together");
        }
        SourceConfig::AzureQueueStorage(source) => {
            let some = source.connection_string.is_some() || !source.storage_account_name.is_empty();
            rule(report, at, some, "must specify connection string or storageAccountName");
            rule(report, at, !source.queue_name.is_empty(), "must specify queue name");
        }
        SourceConfig::AzureServiceBus(source) => {
            let some = source.connection_string.is_some() || !source.fully_qualified_namespace.is_empty();
            rule(report, at, some, "ConnectionString or fullyQualifiedNamespace must be specified");
            let (topic, subscription) = (!source.topic_name.is_empty(), !source.subscription_name.is_empty());
            match (!source.queue_name.is_empty(), topic, subscription) {
                (true, false, false) | (false, true, true) => {}
                (true, ..) => rule(
                    report,
                    at,
                    false,
                    "queueName and topicName/subscriptionName cannot be specified at the same time",
                ),
                (false, ..) => {
                    rule(report, at, false, "queueName, or topicName and subscriptionName, must be specified")
                }
            }
        }
        SourceConfig::Minio(source) => {
            rule(report, at, source.access_key.is_some(), "access key can't be empty");
            rule(report, at, source.secret_key.is_some(), "secret key can't be empty");
            rule(report, at, !source.endpoint.is_empty(), "endpoint url can't be empty");
            let named = source.bucket.as_ref().is_none_or(|bucket| !bucket.name.is_empty());
            rule(report, at, named, "bucket name can't be empty");
        }
        _ => {}
    }
}

/// Clocks, files and resources.
fn watchers(report: &mut Report<'_>, at: &At, event: &SourceEvent<'_>) {
    match event.config {
        SourceConfig::Calendar(source) => calendar(report, at, source),
        SourceConfig::File(source) => {
            rule(report, at, !source.event_type.is_empty(), "type must be specified");
            watch(report, at, source.watch_path_config.as_ref());
        }
        SourceConfig::Sftp(source) => {
            rule(report, at, !source.event_type.is_empty(), "type must be specified");
            watch(report, at, source.watch_path_config.as_ref());
            interval(report, at, "pollIntervalDuration", &source.poll_interval_duration);
        }
        SourceConfig::Hdfs(source) => hdfs(report, at, source),
        SourceConfig::Resource(source) => resource(report, at, source),
        _ => {}
    }
}

fn calendar(report: &mut Report<'_>, at: &At, source: &CalendarEventSource) {
    rule(
        report,
        at,
        !(source.schedule.is_empty() && source.interval.is_empty()),
        "must have either schedule or interval",
    );
    if source.schedule.is_empty() {
        interval(report, at, "interval", &source.interval);
    } else {
        let schedule = Schedule::parse(&source.schedule, &source.timezone);
        report.good(&at.key("schedule"), "schedule", schedule.map_err(|error| error.to_string()));
        if !source.interval.is_empty() {
            report.warning(&at.key("interval"), "no-effect", "`interval` does not count beside `schedule`");
        }
    }
    if let Some(persistence) = &source.persistence {
        let catchup = persistence.catchup.as_ref().map_or("", |catchup| catchup.max_duration.as_str());
        interval(report, &at.keys("persistence.catchup"), "maxDuration", catchup);
    }
}

fn hdfs(report: &mut Report<'_>, at: &At, source: &HdfsEventSource) {
    rule(report, at, !source.r#type.is_empty(), "type is required");
    let known = ["CREATE", "WRITE", "REMOVE", "RENAME", "CHMOD"];
    let fits = source.r#type.split('|').all(|part| known.contains(&part.trim()));
    rule(report, at, source.r#type.is_empty() || fits, "type is invalid");
    interval(report, at, "checkInterval", &source.check_interval);
    paths(report, at, &source.directory, &source.path, &source.path_regexp);
    rule(report, at, !source.addresses.is_empty(), "addresses is required");
    let (cache, keytab) = (source.krb_c_cache_secret.is_some(), source.krb_keytab_secret.is_some());
    let some = !source.hdfs_user.is_empty() || cache || keytab;
    rule(report, at, some, "either hdfsUser, krbCCacheSecret or krbKeytabSecret is required");
    let service = !source.krb_service_principal_name.is_empty() && source.krb_config_config_map.is_some();
    let user = !source.krb_username.is_empty() && !source.krb_realm.is_empty();
    let text = "krbServicePrincipalName, krbConfigConfigMap, krbUsername and krbRealm are required with krbKeytabSecret";
    rule(report, at, !keytab || service && user, text);
    let text = "krbServicePrincipalName and krbConfigConfigMap are required with krbCCacheSecret";
    rule(report, at, !cache || service, text);
}

fn resource(report: &mut Report<'_>, at: &At, source: &ResourceEventSource) {
    rule(report, at, !source.version.is_empty(), "version must be specified");
    rule(report, at, !source.resource.is_empty(), "resource must be specified");
    rule(report, at, !source.event_types.is_empty(), "event types must be specified");
    for (i, kind) in source.event_types.iter().enumerate() {
        if !matches!(kind.as_str(), "ADD" | "UPDATE" | "DELETE") {
            let text = format!("`{kind}` is not a type of event: it is ADD, UPDATE or DELETE");
            report.error(&at.key("eventTypes").index(i), "event-source", text);
        }
    }
    let Some(filter) = &source.filter else { return };
    let at = at.key("filter");
    for (i, requirement) in filter.labels.iter().enumerate() {
        report.good(&at.key("labels").index(i), "selector", selector::check(requirement));
    }
    for (i, requirement) in filter.fields.iter().enumerate() {
        let one = std::slice::from_ref(requirement);
        let result = if requirement.key.is_empty() {
            Err("key can't be empty for selector".to_owned())
        } else {
            selector::fields(one, "{}")
        };
        report.good(&at.key("fields").index(i), "selector", result);
    }
    if !filter.created_by.is_empty() {
        let time = filter
            .created_by
            .parse::<jiff::Timestamp>()
            .map_err(|_| format!("`{}` is not a time of RFC 3339", filter.created_by));
        report.good(&at.key("createdBy"), "event-source", time);
    }
}
