//! The types of event sources and triggers: their names, and the settings of each event in one list.
//! Does not judge the settings: `validate` does.

use crate::spec::*;

macro_rules! sources {
    ($($variant:ident $field:ident $config:ident $name:literal $type:literal $recreate:literal;)*) => {
        /// A type of event source.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum SourceKind { $(
            #[doc = concat!("`", $name, "`.")]
            $variant,
        )* }

        /// The settings of one event of an event source.
        #[derive(Clone, Copy, Debug)]
        pub enum SourceConfig<'a> { $(
            #[doc = concat!("Of type `", $name, "`.")]
            $variant(&'a $config),
        )* }

        impl SourceKind {
            /// All types.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The field of the EventSource's spec.
            #[must_use]
            pub fn field(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The `type` of the events.
            #[must_use]
            pub fn event_type(self) -> &'static str {
                match self { $(Self::$variant => $type,)* }
            }

            /// Whether Argo restarts such a source instead of running two for a moment; such types cannot share an
            /// EventSource with the others.
            #[must_use]
            pub fn recreates(self) -> bool {
                match self { $(Self::$variant => $recreate,)* }
            }
        }

        impl EventSourceSpec {
            /// Every event of the source: its type, name and settings, by type and then by name.
            #[must_use]
            pub fn events(&self) -> Vec<SourceEvent<'_>> {
                let mut out = Vec::new();
                $(out.extend(self.$field.iter().map(|(name, config)| SourceEvent {
                    kind: SourceKind::$variant,
                    name,
                    config: SourceConfig::$variant(config),
                }));)*
                out
            }
        }
    };
}

/// One event of an event source.
#[derive(Clone, Copy, Debug)]
pub struct SourceEvent<'a> {
    /// Its type.
    pub kind: SourceKind,
    /// Its name.
    pub name: &'a str,
    /// Its settings.
    pub config: SourceConfig<'a>,
}

sources! {
    Amqp amqp AmqpEventSource "amqp" "amqp" true;
    AzureEventsHub azure_events_hub AzureEventsHubEventSource "azureEventsHub" "azureEventsHub" true;
    AzureQueueStorage azure_queue_storage AzureQueueStorageEventSource "azureQueueStorage" "azureQueueStorage" false;
    AzureServiceBus azure_service_bus AzureServiceBusEventSource "azureServiceBus" "azureServiceBus" true;
    Bitbucket bitbucket BitbucketEventSource "bitbucket" "bitbucket" false;
    BitbucketServer bitbucketserver BitbucketServerEventSource "bitbucketserver" "bitbucketserver" false;
    Calendar calendar CalendarEventSource "calendar" "calendar" true;
    Emitter emitter EmitterEventSource "emitter" "emitter" true;
    File file FileEventSource "file" "file" true;
    Generic generic GenericEventSource "generic" "generic" true;
    Gerrit gerrit GerritEventSource "gerrit" "gerrit" false;
    Github github GithubEventSource "github" "github" false;
    Gitlab gitlab GitlabEventSource "gitlab" "gitlab" false;
    Hdfs hdfs HdfsEventSource "hdfs" "hdfs" true;
    Kafka kafka KafkaEventSource "kafka" "kafka" true;
    Minio minio S3Artifact "minio" "minio" true;
    Mns mns MnsEventSource "mns" "mns" false;
    Mqtt mqtt MqttEventSource "mqtt" "mqtt" true;
    Nats nats NatsEventsSource "nats" "nats" true;
    Nsq nsq NsqEventSource "nsq" "nsq" true;
    PubSub pub_sub PubSubEventSource "pubSub" "pubsub" true;
    Pulsar pulsar PulsarEventSource "pulsar" "pulsar" true;
    Redis redis RedisEventSource "redis" "redis" true;
    RedisStream redis_stream RedisStreamEventSource "redisStream" "redisStream" true;
    Resource resource ResourceEventSource "resource" "resource" true;
    Sftp sftp SftpEventSource "sftp" "sftp" true;
    Slack slack SlackEventSource "slack" "slack" false;
    Sns sns SnsEventSource "sns" "sns" false;
    Sqs sqs SqsEventSource "sqs" "sqs" false;
    StorageGrid storage_grid StorageGridEventSource "storageGrid" "storagegrid" false;
    Stripe stripe StripeEventSource "stripe" "stripe" false;
    Webhook webhook WebhookEventSource "webhook" "webhook" false;
}

impl SourceEvent<'_> {
    /// The listener of a source that receives HTTP requests, if it says one.
    #[must_use]
    pub fn webhook(&self) -> Option<WebhookContext> {
        match self.config {
            SourceConfig::Webhook(source) => Some(WebhookContext {
                auth_secret: source.auth_secret.clone(),
                endpoint: source.endpoint.clone(),
                max_payload_size: source.max_payload_size,
                metadata: source.metadata.clone(),
                method: source.method.clone(),
                port: source.port.clone(),
                server_cert_secret: source.server_cert_secret.clone(),
                server_key_secret: source.server_key_secret.clone(),
                url: source.url.clone(),
            }),
            SourceConfig::Bitbucket(source) => source.webhook.clone(),
            SourceConfig::BitbucketServer(source) => source.webhook.clone(),
            SourceConfig::Gerrit(source) => source.webhook.clone(),
            SourceConfig::Github(source) => source.webhook.clone(),
            SourceConfig::Gitlab(source) => source.webhook.clone(),
            SourceConfig::Slack(source) => source.webhook.clone(),
            SourceConfig::Sns(source) => source.webhook.clone(),
            SourceConfig::StorageGrid(source) => source.webhook.clone(),
            SourceConfig::Stripe(source) => source.webhook.clone(),
            _ => None,
        }
    }

    /// The expression that keeps or drops the source's events, if there is one. Types with filters of their own
    /// (`minio`, `resource`, `storageGrid`, `stripe`) have none.
    #[must_use]
    pub fn expression(&self) -> Option<&str> {
        let filter = match self.config {
            SourceConfig::Amqp(source) => &source.filter,
            SourceConfig::AzureEventsHub(source) => &source.filter,
            SourceConfig::AzureQueueStorage(source) => &source.filter,
            SourceConfig::AzureServiceBus(source) => &source.filter,
            SourceConfig::Bitbucket(source) => &source.filter,
            SourceConfig::BitbucketServer(source) => &source.filter,
            SourceConfig::Calendar(source) => &source.filter,
            SourceConfig::Emitter(source) => &source.filter,
            SourceConfig::File(source) => &source.filter,
            SourceConfig::Generic(source) => &source.filter,
            SourceConfig::Gerrit(source) => &source.filter,
            SourceConfig::Github(source) => &source.filter,
            SourceConfig::Gitlab(source) => &source.filter,
            SourceConfig::Hdfs(source) => &source.filter,
            SourceConfig::Kafka(source) => &source.filter,
            SourceConfig::Mns(source) => &source.filter,
            SourceConfig::Mqtt(source) => &source.filter,
            SourceConfig::Nats(source) => &source.filter,
            SourceConfig::Nsq(source) => &source.filter,
            SourceConfig::PubSub(source) => &source.filter,
            SourceConfig::Pulsar(source) => &source.filter,
            SourceConfig::Redis(source) => &source.filter,
            SourceConfig::RedisStream(source) => &source.filter,
            SourceConfig::Sftp(source) => &source.filter,
            SourceConfig::Slack(source) => &source.filter,
            SourceConfig::Sns(source) => &source.filter,
            SourceConfig::Sqs(source) => &source.filter,
            SourceConfig::Webhook(source) => &source.filter,
            SourceConfig::Minio(_)
            | SourceConfig::Resource(_)
            | SourceConfig::StorageGrid(_)
            | SourceConfig::Stripe(_) => return None,
        };
        filter.as_ref().map(|filter| filter.expression.as_str()).filter(|text| !text.is_empty())
    }
}

impl TriggerTemplate {
    /// The fields of all types of triggers that are set, e.g. `argoWorkflow`.
    #[must_use]
    pub fn kinds(&self) -> Vec<&'static str> {
        let set = [
            ("argoWorkflow", self.argo_workflow.is_some()),
            ("awsLambda", self.aws_lambda.is_some()),
            ("azureEventHubs", self.azure_event_hubs.is_some()),
            ("azureServiceBus", self.azure_service_bus.is_some()),
            ("custom", self.custom.is_some()),
            ("email", self.email.is_some()),
            ("http", self.http.is_some()),
            ("k8s", self.k8s.is_some()),
            ("kafka", self.kafka.is_some()),
            ("log", self.log.is_some()),
            ("nats", self.nats.is_some()),
            ("openWhisk", self.open_whisk.is_some()),
            ("pulsar", self.pulsar.is_some()),
            ("slack", self.slack.is_some()),
        ];
        set.into_iter().filter(|(_, set)| *set).map(|(name, _)| name).collect()
    }
}
