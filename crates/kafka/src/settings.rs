//! Connection, security and topic settings, and the client configurations made from them.

use std::time::Duration;

use rdkafka::ClientConfig;
use schema::topics::{self, TopicSpec};
use service::settings::{Reader, Secret};

/// What our guarantees rest on, or what has a setting of its own: not to be set through `KAFKA_CLIENT_PROPERTIES`.
const OWNED: &[&str] = &[
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "client.id",
    "compression.codec",
    "compression.type",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.queue.backoff.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "isolation.level",
    "linger.ms",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.max.bytes",
    "partition.assignment.strategy",
    "partitioner",
    "queue.buffering.max.ms",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "request.required.acks",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "session.timeout.ms",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "statistics.interval.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

/// The library's default of `max.poll.interval.ms`.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(300);

/// How far the DLQ's largest message lies above `user_data`'s: the room for a dead letter's own headers.
const LARGEST_MESSAGE_BYTES: usize = (1 << 20) + (64 << 10);

/// The group protocol of the consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupProtocol {
    /// The classic protocol, cooperative-sticky.
    Classic,
    /// KIP-848; falls back to classic where the broker does not know it.
    Consumer,
}

/// Topics by their role.
#[derive(Debug, Clone)]
pub struct Topics {
    /// Users.
    pub user_data: String,
    /// Dead letters.
    pub dlq: String,
    /// Dead letters that are not retried any more.
    pub parked: String,
    /// What became of every dead letter.
    pub ledger: String,
    /// The producer's place in the API.
    pub cursor: String,
}

impl Topics {
    /// Each with what it has to be when it is created.
    pub fn specs(&self) -> [(&str, TopicSpec); 5] {
        [
            (&self.user_data, topics::USER_DATA),
            (&self.dlq, topics::USER_DATA_DLQ),
            (&self.parked, topics::USER_DATA_DLQ_PARKED),
            (&self.ledger, topics::USER_DATA_DLQ_LEDGER),
            (&self.cursor, topics::USER_DATA_CURSOR),
        ]
    }
}

/// Everything the services know of Kafka.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// `host:port`, comma separated.
    pub bootstrap_servers: String,
    /// Topics by their role.
    pub topics: Topics,
    /// The processor's group.
    pub group_id: String,
    /// How the group is coordinated.
    pub group_protocol: GroupProtocol,
    /// Set for static membership.
    pub group_instance_id: Option<String>,
    /// How long a killed member's partitions wait, milliseconds.
    pub session_timeout_ms: u32,
    linger_ms: u32,
    compression: String,
    security: Vec<(&'static str, String)>,
    sasl_password: Option<Secret>,
    /// Values of these may be passwords of keys.
    client_properties: Vec<(String, Secret)>,
}

impl KafkaSettings {
    /// Reads every `KAFKA_*` variable; problems are collected in `reader`.
    pub fn read(reader: &mut Reader) -> Self {
        let security = [
            ("KAFKA_SASL_USERNAME", "sasl.username"),
            ("KAFKA_SSL_CA_LOCATION", "ssl.ca.location"),
            ("KAFKA_SSL_CERTIFICATE_LOCATION", "ssl.certificate.location"),
            ("KAFKA_SSL_KEY_LOCATION", "ssl.key.location"),
        ];
        let mut security: Vec<_> =
            security.into_iter().filter_map(|(name, key)| Some((key, reader.optional(name)?))).collect();
        let protocol = reader.parse("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", |text| {
            one_of(text, &["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"])
        });
        let sasl = protocol.as_ref().is_some_and(|protocol| protocol.starts_with("sasl"));
        security.extend(protocol.map(|protocol| ("security.protocol", protocol)));
        if sasl {
            let mechanism = reader.parse("KAFKA_SASL_MECHANISM", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", |text| {
                one_of(&text.to_lowercase(), &["plain", "scram-sha-256", "scram-sha-512"]).map(|m| m.to_uppercase())
            });
            security.extend(mechanism.map(|mechanism| ("sasl.mechanisms", mechanism)));
        }
        reader.parse("KAFKA_ACKS", "all: a record counts as sent only when every in-sync replica has it", |text| {
            one_of(text, &["all", "-1"])
        });
        Self {
            bootstrap_servers: reader.text("KAFKA_BOOTSTRAP_SERVERS"),
            topics: Topics {
                user_data: reader.text("KAFKA_TOPIC_USER_DATA"),
                dlq: reader.text("KAFKA_TOPIC_DLQ"),
                parked: reader.text("KAFKA_TOPIC_PARKED"),
                ledger: reader.text("KAFKA_TOPIC_LEDGER"),
                cursor: reader.text("KAFKA_TOPIC_CURSOR"),
            },
            group_id: reader.text("KAFKA_GROUP_ID"),
            group_protocol: reader
                .parse("KAFKA_GROUP_PROTOCOL", "classic or consumer", |text| match text.to_lowercase().as_str() {
                    "classic" => Some(GroupProtocol::Classic),
                    "consumer" => Some(GroupProtocol::Consumer),
                    _ => None,
                })
                .unwrap_or(GroupProtocol::Classic),
            group_instance_id: reader.optional("KAFKA_GROUP_INSTANCE_ID"),
            session_timeout_ms: reader.number("KAFKA_SESSION_TIMEOUT_MS", 1_000..=1_800_000),
            linger_ms: reader.number("KAFKA_LINGER_MS", 0..=900_000),
            compression: reader
                .parse("KAFKA_COMPRESSION", "none, gzip, snappy, lz4 or zstd", |text| {
                    one_of(text, &["none", "gzip", "snappy", "lz4", "zstd"])
                })
                .unwrap_or_default(),
            security,
            sasl_password: reader.secret("KAFKA_SASL_PASSWORD"),
            client_properties: reader
                .parse(
                    "KAFKA_CLIENT_PROPERTIES",
                    "name=value,... of properties that librdkafka knows; not those that the delivery guarantees rest on or \
                     that have a variable of their own",
                    client_properties,
                )
                .unwrap_or_default(),
        }
    }

    fn client(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", client_id)
            .set("socket.keepalive.enable", "true")
            // As the Java clients: a broker that is back is found within a second, one that vanished without a word (60 s here
            // by default) is given up after half a minute.
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.timeout.ms", "30000")
            .set("message.max.bytes", LARGEST_MESSAGE_BYTES.to_string());
        for (name, value) in &self.security {
            config.set(*name, value);
        }
        if let Some(password) = &self.sasl_password {
            config.set("sasl.password", password.expose());
        }
        for (name, value) in &self.client_properties {
            config.set(name, value.expose());
        }
        config
    }

    /// For requests that are neither consuming nor producing.
    pub(crate) fn admin(&self, client_id: &str) -> ClientConfig {
        outside_of_groups(self.client(client_id))
    }

    /// For an idempotent producer.
    pub(crate) fn producer(&self, client_id: &str) -> ClientConfig {
        let mut config = self.client(client_id);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", self.linger_ms.to_string())
            .set("compression.codec", &self.compression)
            // Keys land where the Java clients put them.
            .set("partitioner", "murmur2_random")
            // A topic that is missing is told as such before the sends to it are given up.
            .set("topic.metadata.propagation.max.ms", "10000")
            .set("statistics.interval.ms", "2000")
            // A send that the brokers do not acknowledge in this time is handed back as transient; its owner tries again.
            .set("message.timeout.ms", "30000");
        config
    }

    /// How long the thread of a consumer may go without polling before the group takes its partitions away.
    pub(crate) fn max_poll_interval(&self) -> Duration {
        let own = self.client_properties.iter().rev().find(|(name, _)| name == "max.poll.interval.ms");
        own.and_then(|(_, millis)| millis.expose().parse().ok()).map_or(MAX_POLL_INTERVAL, Duration::from_millis)
    }

    /// For a member of the processor's group. `sibling` tells the consumers of one process apart, which share
    /// `KAFKA_GROUP_INSTANCE_ID`: two members with one id fence each other for ever.
    pub(crate) fn group_consumer(
        &self,
        client_id: &str,
        sibling: Option<usize>,
        protocol: GroupProtocol,
    ) -> ClientConfig {
        let mut config = self.consumer(client_id);
        config
            .set("group.id", &self.group_id)
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .set("queued.min.messages", "5000")
            .set("queued.max.messages.kbytes", "4096")
            // What memory under load hangs on: an answer is counted as it is compressed, and unpacks to many times as much.
            .set("fetch.max.bytes", "524288")
            // Means nothing to who only reads, but the client wants it to be no larger than an answer. A larger batch comes all
            // the same: the first of an answer always does.
            .set("message.max.bytes", "524288")
            .set("statistics.interval.ms", "2000");
        match protocol {
            GroupProtocol::Classic => config
                .set("session.timeout.ms", self.session_timeout_ms.to_string())
                .set("heartbeat.interval.ms", (self.session_timeout_ms / 3).min(3_000).to_string())
                .set("partition.assignment.strategy", "cooperative-sticky"),
            // The session and the assignment are the broker's affair: the client refuses these properties here.
            GroupProtocol::Consumer => config.set("group.protocol", "consumer"),
        };
        if let Some(id) = &self.group_instance_id {
            let suffix = sibling.map_or_else(String::new, |sibling| format!("-{sibling}"));
            config.set("group.instance.id", format!("{id}{suffix}"));
        }
        config
    }

    /// For reading topics by assignment, outside of any group.
    pub(crate) fn reader(&self, client_id: &str) -> ClientConfig {
        outside_of_groups(self.consumer(client_id))
    }

    fn consumer(&self, client_id: &str) -> ClientConfig {
        let mut config = self.client(client_id);
        config
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            // The default of 1000 ms stalls a whole second each time the local queue was full.
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.error.backoff.ms", "100");
        config
    }
}

/// The client refuses a poll interval below its session's time-out, which here is the library's own and means nothing.
fn outside_of_groups(mut config: ClientConfig) -> ClientConfig {
    config.remove("max.poll.interval.ms");
    config
}

fn one_of(text: &str, known: &[&str]) -> Option<String> {
    let text = text.to_lowercase();
    known.contains(&text.as_str()).then_some(text)
}

fn client_properties(text: &str) -> Option<Vec<(String, Secret)>> {
    let pairs: Option<Vec<_>> = text
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            (!OWNED.contains(&name)).then(|| (name.to_owned(), Secret::new(value)))
        })
        .collect();
    let pairs = pairs?;
    let mut config = ClientConfig::new();
    for (name, value) in &pairs {
        config.set(name, value.expose());
    }
    config.create_native_config().is_ok().then_some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_properties_are_pairs_that_the_library_knows() {
        let pair = |name: &str, value: &str| (name.to_owned(), Secret::new(value));
        assert_eq!(
            client_properties("broker.address.family=v4, metadata.max.age.ms=5000"),
            Some(vec![pair("broker.address.family", "v4"), pair("metadata.max.age.ms", "5000")])
        );
        assert_eq!(client_properties(""), Some(vec![]));
        assert_eq!(client_properties("no.such.property=1"), None);
        assert_eq!(client_properties("metadata.max.age.ms=soon"), None);
        assert_eq!(client_properties("linger"), None);
    }

    #[test]
    fn the_password_of_a_key_does_not_show_in_debug_output() {
        let mut reader = Reader::from_pairs([("KAFKA_CLIENT_PROPERTIES", "ssl.key.password=hunter2")]);
        let shown = format!("{:?}", KafkaSettings::read(&mut reader));
        assert!(shown.contains("ssl.key.password") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_the_guarantees_rest_on_cannot_be_overridden() {
        for owned in OWNED {
            assert_eq!(client_properties(&format!("{owned}=1")), None, "{owned}");
        }
    }

    #[test]
    fn consumers_of_one_process_are_static_members_of_their_own() {
        let settings = KafkaSettings::read(&mut Reader::from_pairs([("KAFKA_GROUP_INSTANCE_ID", "pod-7")]));
        let id = |sibling| {
            let config = settings.group_consumer("c", sibling, GroupProtocol::Classic);
            config.get("group.instance.id").map(str::to_owned)
        };
        assert_eq!(id(None).as_deref(), Some("pod-7"));
        assert_eq!([id(Some(0)), id(Some(1))].map(Option::unwrap_or_default), ["pod-7-0", "pod-7-1"]);
    }

    #[test]
    fn the_poll_interval_can_be_set() {
        let of = |pairs: &[(&str, &str)]| {
            KafkaSettings::read(&mut Reader::from_pairs(pairs.iter().copied())).max_poll_interval()
        };
        assert_eq!(of(&[]), MAX_POLL_INTERVAL);
        let shorter = of(&[("KAFKA_CLIENT_PROPERTIES", "max.poll.interval.ms=12000")]);
        assert_eq!(shorter, Duration::from_secs(12));
    }

    #[test]
    fn a_short_poll_interval_is_the_group_members_own() {
        let settings = KafkaSettings::read(&mut Reader::from_pairs([
            ("KAFKA_SESSION_TIMEOUT_MS", "10000"),
            ("KAFKA_CLIENT_PROPERTIES", "max.poll.interval.ms=12000"),
        ]));
        let member = || settings.group_consumer("g", None, GroupProtocol::Classic);
        for config in [settings.admin("a"), settings.reader("r"), member()] {
            let client: Result<rdkafka::consumer::BaseConsumer, _> = config.create();
            assert!(client.is_ok(), "{:?}", client.err());
        }
        assert_eq!(member().get("max.poll.interval.ms"), Some("12000"));
    }

    #[test]
    fn three_wrong_settings_are_three_problems() {
        let mut reader = Reader::from_pairs([
            ("KAFKA_ACKS", "1"),
            ("KAFKA_COMPRESSION", "brotli"),
            ("KAFKA_CLIENT_PROPERTIES", "enable.idempotence=false"),
        ]);
        KafkaSettings::read(&mut reader);
        let problems = reader.finish().unwrap_err().to_string();
        for name in ["KAFKA_ACKS", "KAFKA_COMPRESSION", "KAFKA_CLIENT_PROPERTIES"] {
            assert!(problems.contains(name), "{problems}");
        }
    }
}
