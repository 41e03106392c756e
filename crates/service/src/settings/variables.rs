//! The list of variables, in the order in which they are shown.

use super::catalogue::Section::{Api, Cassandra, Kafka, Pipeline, Producer, Replay, Retry, Service, Sim};
use super::catalogue::Variable;

/// Every variable of every service.
pub static VARIABLES: &[Variable] = &[
    Variable::new(Service, "ENVIRONMENT", "development", "development, staging or production", "Where this runs; a field of the log line at the start."),
    Variable::new(Service, "SLUICE_CONFIG", "", "path of a TOML file", "A file of settings, names in lower case; the environment goes before it."),
    Variable::new(Service, "LOG_LEVEL", "info", "a level (any case) or a tracing filter such as info,kafka=debug", "What is logged."),
    Variable::new(Service, "LOG_FORMAT", "json", "json or text", "How it is logged, to standard output."),
    Variable::new(Service, "ADMIN_ADDR", "127.0.0.1:8000", "IP address and port", "Where /livez, /readyz, /metrics and /version are served; the port is 8000 for producer, 8001 for stream-processor and 8002 for dlq-replayer.")
        .coupled("ADMIN_TOKEN: needed for actions when the address is not loopback"),
    Variable::new(Service, "ADMIN_TOKEN", "", "text", "Bearer token of every HTTP action; GET needs none, save the pages of dlq-replayer, which ask for it wherever it is set. Without it there are no actions and no pages beyond loopback.")
        .coupled("ADMIN_ADDR")
        .secret(),
    Variable::new(Service, "SHUTDOWN_TIMEOUT_SECONDS", "25", "seconds", "How long a service may drain after SIGTERM or SIGINT before it ends with status 75.")
        .coupled("keep it below the grace period of whatever stops the container"),

    Variable::new(Kafka, "KAFKA_BOOTSTRAP_SERVERS", "localhost:9092", "host:port, comma separated", "The brokers to begin with."),
    Variable::new(Kafka, "KAFKA_TOPIC_USER_DATA", "user_data", "topic name", "Users."),
    Variable::new(Kafka, "KAFKA_TOPIC_DLQ", "user_data_dlq", "topic name", "Dead letters.")
        .coupled("its max.message.bytes is 64 KiB above that of KAFKA_TOPIC_USER_DATA"),
    Variable::new(Kafka, "KAFKA_TOPIC_PARKED", "user_data_dlq_parked", "topic name", "Dead letters that are not tried again.")
        .coupled("REPLAY_MAX_ATTEMPTS"),
    Variable::new(Kafka, "KAFKA_TOPIC_LEDGER", "user_data_dlq_ledger", "topic name, compacted", "What became of every dead letter."),
    Variable::new(Kafka, "KAFKA_TOPIC_CURSOR", "user_data_cursor", "topic name, compacted", "The producer's durable place in the API.")
        .coupled("PRODUCER_NAME is the key"),
    Variable::new(Kafka, "KAFKA_GROUP_ID", "stream-processor", "group name", "The processor's group; a new one starts at the earliest offset."),
    Variable::new(Kafka, "KAFKA_GROUP_PROTOCOL", "classic", "classic or consumer", "How the group shares the partitions.")
        .coupled("with consumer the broker decides about sessions and KAFKA_SESSION_TIMEOUT_MS is not used"),
    Variable::new(Kafka, "KAFKA_GROUP_INSTANCE_ID", "", "text, unique in the group", "Set for static membership: a restart within the session keeps its partitions.")
        .coupled("KAFKA_SESSION_TIMEOUT_MS"),
    Variable::new(Kafka, "KAFKA_SESSION_TIMEOUT_MS", "10000", "milliseconds", "How long the partitions of a killed member wait.")
        .coupled("the broker's group.min.session.timeout.ms and group.max.session.timeout.ms"),
    Variable::new(Kafka, "KAFKA_ACKS", "all", "all", "Who has to acknowledge a record; the producer is idempotent, so only all is possible."),
    Variable::new(Kafka, "KAFKA_LINGER_MS", "5", "milliseconds", "How long a record may wait for others before it is sent."),
    Variable::new(Kafka, "KAFKA_COMPRESSION", "zstd", "none, gzip, snappy, lz4 or zstd", "Compression of what is sent."),
    Variable::new(Kafka, "KAFKA_SECURITY_PROTOCOL", "PLAINTEXT", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", "How the brokers are spoken to.")
        .coupled("SASL_*: KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD; *SSL: KAFKA_SSL_CA_LOCATION"),
    Variable::new(Kafka, "KAFKA_SASL_MECHANISM", "", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", "How a user proves to be one.")
        .coupled("KAFKA_SECURITY_PROTOCOL"),
    Variable::new(Kafka, "KAFKA_SASL_USERNAME", "", "text", "The user's name.").coupled("KAFKA_SECURITY_PROTOCOL"),
    Variable::new(Kafka, "KAFKA_SASL_PASSWORD", "", "text", "The user's password.").coupled("KAFKA_SECURITY_PROTOCOL").secret(),
    Variable::new(Kafka, "KAFKA_SSL_CA_LOCATION", "", "path of a PEM file", "Whom to trust; unset means the machine's own list.").coupled("KAFKA_SECURITY_PROTOCOL"),
    Variable::new(Kafka, "KAFKA_SSL_CERTIFICATE_LOCATION", "", "path of a PEM file", "Our own certificate, where the brokers ask for one.")
        .coupled("KAFKA_SSL_KEY_LOCATION"),
    Variable::new(Kafka, "KAFKA_SSL_KEY_LOCATION", "", "path of a PEM file", "The key of our own certificate.").coupled("KAFKA_SSL_CERTIFICATE_LOCATION"),
    // May hold `ssl.key.password` and the like.
    Variable::new(Kafka, "KAFKA_CLIENT_PROPERTIES", "", "name=value, comma separated", "Further properties of the client library; what the delivery guarantees rest on cannot be overridden.").secret(),

    Variable::new(Cassandra, "CASSANDRA_HOSTS", "localhost", "host or host:port, comma separated", "The nodes to begin with.").coupled("CASSANDRA_PORT"),
    Variable::new(Cassandra, "CASSANDRA_PORT", "9042", "port", "The port of hosts that name none."),
    Variable::new(Cassandra, "CASSANDRA_KEYSPACE", "spark_streams", "letters, digits and _", "The keyspace."),
    Variable::new(Cassandra, "CASSANDRA_TABLE", "created_users", "letters, digits and _", "The table of users."),
    Variable::new(Cassandra, "CASSANDRA_CONSISTENCY", "LOCAL_QUORUM", "ONE, TWO, THREE, QUORUM, ALL, LOCAL_ONE, LOCAL_QUORUM or EACH_QUORUM", "How many replicas acknowledge a row before it counts as written.")
        .coupled("CASSANDRA_REPLICATION_FACTOR, CASSANDRA_LOCAL_DC"),
    Variable::new(Cassandra, "CASSANDRA_LOCAL_DC", "", "name of a data centre", "The data centre to prefer; unset means any."),
    Variable::new(Cassandra, "CASSANDRA_USERNAME", "", "text", "The user's name.").coupled("CASSANDRA_PASSWORD"),
    Variable::new(Cassandra, "CASSANDRA_PASSWORD", "", "text", "The user's password.").coupled("CASSANDRA_USERNAME").secret(),
    Variable::new(Cassandra, "CASSANDRA_TLS_CA_LOCATION", "", "path of a PEM file", "Whom to trust; set means TLS."),
    Variable::new(Cassandra, "CASSANDRA_TLS_CERTIFICATE_LOCATION", "", "path of a PEM file", "Our own certificate, where the nodes ask for one.")
        .coupled("CASSANDRA_TLS_CA_LOCATION, CASSANDRA_TLS_KEY_LOCATION"),
    Variable::new(Cassandra, "CASSANDRA_TLS_KEY_LOCATION", "", "path of a PEM file", "The key of our own certificate.").coupled("CASSANDRA_TLS_CERTIFICATE_LOCATION"),
    Variable::new(Cassandra, "CASSANDRA_BATCH_ROWS", "0", "rows, 0 = adapt", "Rows in one batch.")
        .coupled("the nodes' batch_size_warn_threshold and batch_size_fail_threshold"),
    Variable::new(Cassandra, "CASSANDRA_MAX_IN_FLIGHT", "0", "batches, 0 = adapt", "Batches under way at the same time.").coupled("PIPELINE_BUDGET_RECORDS"),
    Variable::new(Cassandra, "CASSANDRA_REPLICATION_FACTOR", "1", "replicas", "Used once, when the keyspace is created.").coupled("CASSANDRA_CONSISTENCY"),

    Variable::new(Api, "API_BASE_URL", "https://randomuser.me/api/", "http or https URL", "The RandomUser API, or randomuser-sim."),
    Variable::new(Api, "API_TIMEOUT_SECONDS", "30", "seconds", "How long one request may take, from its start to the last byte."),
    Variable::new(Api, "API_MAX_RETRIES", "3", "retries", "Retries within one fetch; a fetch that used them up waits longer and begins again.").coupled("API_RETRY_BASE_DELAY, RETRY_MAX_DELAY"),
    Variable::new(Api, "API_RETRY_BASE_DELAY", "1.0", "seconds", "The first delay between two retries of a fetch.").coupled("RETRY_EXPONENTIAL_BASE, RETRY_MAX_DELAY"),
    Variable::new(Api, "API_BATCH_SIZE", "100", "users per request", "How many users one request asks for: a page.")
        .coupled("at most API_RATE_LIMIT_USERS"),
    Variable::new(Api, "API_SEED", "", "text without white space", "The seed of the pages; another one than before begins anew at its page 1. Unset means to go on where the producer of this name stood, or with a random seed of 16 characters, ending in a letter."),
    Variable::new(Api, "API_NATIONALITIES", "", "codes, comma separated", "Only users of these nationalities; unset means all."),
    Variable::new(Api, "API_RATE_LIMIT_USERS", "20000", "users", "Never more users than that in any window of API_RATE_LIMIT_WINDOW_SECONDS.")
        .coupled("at least API_BATCH_SIZE"),
    Variable::new(Api, "API_RATE_LIMIT_WINDOW_SECONDS", "300", "seconds", "The length of that window.").coupled("API_RATE_LIMIT_USERS"),

    Variable::new(Producer, "PRODUCER_NAME", "producer", "text", "Tells one producer's place in the API from another's; a second producer of the same name ends the first.")
        .coupled("KAFKA_TOPIC_CURSOR"),
    Variable::new(Producer, "PRODUCER_TRANSACTIONS", "on", "on or off", "Whether a page and the place behind it become visible together; off is for brokers without transactions: after a crash a page may come twice, and two producers of one name are not told apart.")
        .coupled("PRODUCER_NAME, which makes the transactional id sluice-producer-<name>"),
    Variable::new(Producer, "PRODUCER_MODE", "interval", "once, interval or cron", "When a run starts."),
    Variable::new(Producer, "PRODUCER_INTERVAL_SECONDS", "10", "seconds from start to start", "The pace of mode interval.").coupled("PRODUCER_MODE"),
    Variable::new(Producer, "PRODUCER_CRON", "@daily", "5 or 6 fields or a nickname", "The times of mode cron.").coupled("PRODUCER_MODE, PRODUCER_CRON_TIMEZONE"),
    Variable::new(Producer, "PRODUCER_CRON_TIMEZONE", "UTC", "IANA name such as Europe/Berlin", "The time zone of PRODUCER_CRON."),
    Variable::new(Producer, "PRODUCER_BATCHES", "1", "pages per run, 0 = no limit", "A run ends after so many pages.")
        .coupled("when STREAMING_DURATION_SECONDS is set and this is not, it is 0"),
    Variable::new(Producer, "STREAMING_DURATION_SECONDS", "0", "seconds per run, 0 = no limit", "A run ends after so much time.").coupled("PRODUCER_BATCHES"),

    Variable::new(Retry, "RETRY_MAX_RETRIES", "3", "retries", "How often one row is tried alone while others succeed."),
    Variable::new(Retry, "RETRY_BASE_DELAY", "1.0", "seconds", "The delay before retry n (from 0) is min(base * b^n, max) * (1 + U(0, 0.5)): the base."),
    Variable::new(Retry, "RETRY_MAX_DELAY", "60.0", "seconds", "The max of that formula. The processor waits 3 s at most, so that it goes on soon after an outage.").coupled("at least RETRY_BASE_DELAY"),
    Variable::new(Retry, "RETRY_EXPONENTIAL_BASE", "2.0", "factor", "The b of that formula."),

    Variable::new(Pipeline, "PIPELINE_SHARDS", "1", "consumers in this process", "Each has its own thread and its own connections."),
    Variable::new(Pipeline, "PIPELINE_BUDGET_RECORDS", "8000", "records", "How many records may be read and not yet committed.").coupled("COMMIT_INTERVAL_MS, CASSANDRA_MAX_IN_FLIGHT"),
    Variable::new(Pipeline, "PIPELINE_BUDGET_BYTES", "33554432", "bytes", "How many bytes those records may have.").coupled("the memory limit of the container"),
    Variable::new(Pipeline, "PIPELINE_POISON_WINDOW", "1000", "records", "Of so many records in a row, dead letters are counted; beyond PIPELINE_POISON_RATIO of them the line stops and says so.").coupled("PIPELINE_POISON_RATIO"),
    Variable::new(Pipeline, "PIPELINE_POISON_RATIO", "0.5", "share from 0 to 1; 1 = never stop for it", "Largest share of dead letters in that window; replayed records do not count.").coupled("PIPELINE_POISON_WINDOW"),
    Variable::new(Pipeline, "PIPELINE_POISON_RUN", "500", "records, 0 = never stop for it", "Most dead letters in a row; one more stops the line."),
    Variable::new(Pipeline, "COMMIT_INTERVAL_MS", "1000", "milliseconds", "How often offsets are committed: the bound on what is read again after a crash."),

    Variable::new(Replay, "REPLAY_AUTO", "off", "off or transient", "What serve replays without being asked for; transient: records whose write kept failing (write_exhausted), one first, the others when it is home.")
        .coupled("REPLAY_MAX_ATTEMPTS, REPLAY_RATE_PER_SECOND"),
    Variable::new(Replay, "REPLAY_MAX_ATTEMPTS", "3", "replays of one record", "After so many a dead letter is parked.").coupled("KAFKA_TOPIC_PARKED"),
    Variable::new(Replay, "REPLAY_RATE_PER_SECOND", "500", "records per second", "How fast a replay goes at most."),
    Variable::new(Replay, "REPLAY_ALLOWED_TOPICS", "", "topic names, comma separated", "Topics beside that of the users which dead letters may be replayed to: those that came from there, and replay --to.")
        .coupled("KAFKA_TOPIC_USER_DATA is always allowed"),

    Variable::new(Sim, "SIM_ADDR", "127.0.0.1:8010", "IP address and port", "Where the stand-in for the API is served.").coupled("API_BASE_URL"),
    Variable::new(Sim, "SIM_RATE_LIMIT_USERS", "20000", "users, 0 = no limit", "Users in one window before it answers 429.").coupled("API_RATE_LIMIT_USERS"),
    Variable::new(Sim, "SIM_RATE_LIMIT_WINDOW_SECONDS", "300", "seconds", "The length of that window.").coupled("API_RATE_LIMIT_WINDOW_SECONDS"),
];
