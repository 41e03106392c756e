//! The reader: layers, secrets, and every problem at once.

#![expect(clippy::expect_used, reason = "a failure is told by a panic, in the helpers of a test too")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use service::settings::{Reader, SettingsError};

fn file(name: &str, content: &[u8]) -> String {
    let path: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).expect("a file in the target folder");
    path.to_str().expect("a path of UTF-8").to_owned()
}

fn problems(result: Result<service::settings::Effective, SettingsError>) -> Vec<String> {
    result.expect_err("problems").problems.iter().map(ToString::to_string).collect()
}

#[test]
fn the_environment_goes_before_the_file_and_the_file_before_the_defaults() {
    let path = file(
        "layers.toml",
        b"api_batch_size = 200\nkafka_topic_dlq = 'dead'\nretry_base_delay = 0.5\nkafka_linger_ms = 7\n\
          cassandra_hosts = ['a', 'b:9043']\n",
    );
    let mut reader =
        Reader::from_pairs([("SLUICE_CONFIG", path.as_str()), ("API_BATCH_SIZE", "300"), ("KAFKA_LINGER_MS", "")]);
    assert_eq!(reader.number("API_BATCH_SIZE", 1..=5000_u32), 300);
    assert_eq!(reader.text("KAFKA_TOPIC_DLQ"), "dead");
    assert_eq!(reader.text("KAFKA_TOPIC_USER_DATA"), "user_data");
    assert_eq!(reader.seconds("RETRY_BASE_DELAY", 0.0..=10.0), Duration::from_millis(500));
    assert_eq!(reader.number("KAFKA_LINGER_MS", 0..=100_u32), 7, "an empty value counts as unset");
    assert_eq!(reader.text("CASSANDRA_HOSTS"), "a,b:9043");
    assert!(reader.is_set("KAFKA_TOPIC_DLQ") && !reader.is_set("KAFKA_TOPIC_USER_DATA"));
    assert_eq!(reader.finish().expect("no problems").warnings, []);
}

#[test]
fn every_problem_is_told_with_variable_value_and_what_is_accepted() {
    let mut reader = Reader::from_pairs([
        ("API_BATCH_SIZE", "1.5"),
        ("RETRY_BASE_DELAY", "soon"),
        ("PRODUCER_MODE", "often"),
        ("ADMIN_TOKEN", "hunter2"),
        ("API_BASE_URL", "https://me:hunter2@host/api"),
    ]);
    assert_eq!(reader.number("API_BATCH_SIZE", 1..=5000_u32), 0);
    reader.seconds("RETRY_BASE_DELAY", 0.5..=3600.0);
    assert_eq!(reader.parse("PRODUCER_MODE", "once, interval or cron", |_| None::<u8>), None);
    reader.problem("ADMIN_TOKEN", "something longer");
    reader.problem("API_BASE_URL", "a URL without a password");
    reader.text("KAFKA_SASL_USERNAME");
    assert_eq!(
        problems(reader.finish()),
        [
            "API_BATCH_SIZE=\"1.5\": accepted is a whole number from 1 to 5000 (users per request)",
            "RETRY_BASE_DELAY=\"soon\": accepted is a number from 0.5 to 3600 (seconds)",
            "PRODUCER_MODE=\"often\": accepted is once, interval or cron",
            "ADMIN_TOKEN=\"<redacted>\": accepted is something longer",
            "API_BASE_URL=\"https://<redacted>@host/api\": accepted is a URL without a password",
            "KAFKA_SASL_USERNAME is unset: accepted is text",
        ]
    );
}

#[test]
fn a_number_that_is_none_is_refused_whatever_its_type() {
    for wrong in ["NaN", "inf", "-1", "1e400"] {
        let mut reader = Reader::from_pairs([("RETRY_BASE_DELAY", wrong)]);
        reader.seconds("RETRY_BASE_DELAY", 0.0..=3600.0);
        assert_eq!(problems(reader.finish()).len(), 1, "{wrong}");
    }
}

#[test]
fn a_secret_may_lie_in_a_file_and_is_shown_nowhere() {
    let path = file("secret", b"hunter2\n");
    let mut reader =
        Reader::from_pairs([("KAFKA_SASL_PASSWORD_FILE", path.as_str()), ("CASSANDRA_PASSWORD", "hunter3")]);
    let secret = reader.secret("KAFKA_SASL_PASSWORD").expect("a secret");
    assert_eq!(secret.expose(), "hunter2");
    assert_eq!(reader.secret("CASSANDRA_PASSWORD").expect("a secret").expose(), "hunter3");
    assert_eq!(reader.secret("ADMIN_TOKEN"), None);
    assert!(!format!("{reader:?}{secret:?}").contains("hunter"));
    let shown = reader.finish().expect("no problems").to_string();
    assert_eq!(shown, "# ADMIN_TOKEN is unset\nKAFKA_SASL_PASSWORD=<redacted>\nCASSANDRA_PASSWORD=<redacted>\n");
}

#[test]
fn a_secret_given_twice_or_in_a_file_that_is_not_there_is_a_problem() {
    let mut reader = Reader::from_pairs([
        ("KAFKA_SASL_PASSWORD_FILE", "/nonexistent/secret"),
        ("CASSANDRA_PASSWORD_FILE", "/nonexistent/secret"),
        ("CASSANDRA_PASSWORD", "hunter2"),
    ]);
    reader.secret("KAFKA_SASL_PASSWORD");
    reader.secret("CASSANDRA_PASSWORD");
    let problems = problems(reader.finish());
    assert_eq!(problems.len(), 2);
    assert!(problems[0].starts_with("KAFKA_SASL_PASSWORD_FILE=\"/nonexistent/secret\": accepted is the path of"));
    assert!(problems[1].ends_with("accepted is unset when CASSANDRA_PASSWORD is set"), "{problems:?}");
}

#[test]
fn unknown_names_with_our_prefixes_are_warned_about_once_with_the_nearest_known_name() {
    let path = file("unknown.toml", b"kafka_topic = 'x'\ncolour = 'red'\n");
    let reader = Reader::from_pairs([
        ("SLUICE_CONFIG", path.as_str()),
        ("KAFKA_RETRIES", "5"),
        ("CASSANDRA_HOST", "db"),
        ("SPARK_MASTER", "local"),
        ("PATH", "/bin"),
        ("ADMIN_TOKEN_FILE", "/run/token"),
        ("API_KEY", ""),
    ]);
    let warnings: Vec<_> = reader
        .finish()
        .expect("no problems")
        .warnings
        .into_iter()
        .map(|warning| (warning.variable, warning.nearest.is_some()))
        .collect();
    let expected = [
        ("CASSANDRA_HOST", true),
        ("COLOUR", true),
        ("KAFKA_RETRIES", true),
        ("KAFKA_TOPIC", true),
        ("SPARK_MASTER", false),
    ];
    assert_eq!(warnings, expected.map(|(name, nearest)| (name.to_owned(), nearest)));
}

#[test]
fn a_file_that_cannot_be_read_or_parsed_is_a_problem_that_does_not_quote_it() {
    let broken = file("broken.toml", b"kafka_sasl_password = hunter2\n");
    for path in ["/nonexistent.toml", broken.as_str()] {
        let problems = problems(Reader::from_pairs([("SLUICE_CONFIG", path)]).finish());
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&format!("SLUICE_CONFIG={path:?}: accepted is a readable TOML file")));
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
    }
    let nested = file("nested.toml", b"[api_seed]\na = 1\n");
    let problems = problems(Reader::from_pairs([("SLUICE_CONFIG", nested.as_str())]).finish());
    assert_eq!(problems, ["API_SEED is unset: accepted is text, a number or a list of these"]);
}

#[test]
fn a_default_may_depend_on_the_service() {
    let mut reader = Reader::from_pairs([("", "")]);
    reader.default_to("ADMIN_ADDR", "127.0.0.1:8001");
    assert_eq!(reader.text("ADMIN_ADDR"), "127.0.0.1:8001");
    assert_eq!(reader.finish().expect("no problems").to_string(), "ADMIN_ADDR=127.0.0.1:8001\n");
}

#[test]
fn a_name_that_the_catalogue_does_not_hold_is_a_problem() {
    let mut reader = Reader::from_pairs([("", "")]);
    reader.text("NO_SUCH_VARIABLE");
    assert!(problems(reader.finish())[0].contains("NO_SUCH_VARIABLE"));
}
