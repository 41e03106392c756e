//! What the containers set up is what the services expect.

use std::path::Path;

use local_stack::{Profile, StackOptions};
use schema::topics;

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).expect("a file of the project")
}

#[test]
fn the_topics_of_the_compose_stack_are_those_of_the_schema() {
    let script = file("docker/kafka-init");
    assert!(script.contains("day=$((24 * 60 * 60 * 1000))") && script.contains("largest_record=$((1024 * 1024))"));
    let dead_letters = "message.timestamp.type=LogAppendTime max.message.bytes=$((largest_record + 64 * 1024))";
    assert!(script.contains(dead_letters), "{dead_letters}");
    for topic in topics::ALL {
        let begins = format!(":-{}}} {} ", topic.name, topic.partitions);
        let line =
            script.lines().find(|line| line.contains(&begins)).unwrap_or_else(|| panic!("no line with {begins}"));
        for (name, value) in topic.config {
            let written = match (*name, *value) {
                ("retention.ms", ms) => {
                    format!("retention.ms=$(({} * day))", ms.parse::<u64>().expect("ms") / 86_400_000)
                }
                ("max.message.bytes", "1048576") => "max.message.bytes=$largest_record".to_owned(),
                ("max.message.bytes" | "message.timestamp.type", _) => "$dead_letters".to_owned(),
                (name, value) => format!("{name}={value}"),
            };
            assert!(line.contains(&written), "{written} in {line}");
        }
    }
}

#[test]
fn the_containers_and_the_local_stack_run_the_same_kafka_and_cassandra() {
    let compose = file("docker-compose.yml");
    for (image, pom) in [("apache/kafka", "kafka"), ("cassandra", "cassandra")] {
        let lines = compose.lines().filter_map(|line| line.trim().strip_prefix(&format!("image: {image}:")));
        let versions: Vec<&str> = lines.collect();
        assert_eq!(versions.len(), 2, "server and one-shot of {image}");
        let pom = file(&format!("crates/local-stack/data/{pom}.xml"));
        for version in versions {
            assert!(pom.contains(&format!(">{version}<")), "{image} {version}");
        }
    }
    let options = StackOptions::new("unused", Profile::Demo).with_rows_kept_at_a_kill();
    let of_the_file = options.cassandra_yaml.iter().map(|(name, value)| format!("settings.{name}={value}"));
    for property in of_the_file.chain(["config.allow_system_properties=true".to_owned()]) {
        let flag = format!("-Dcassandra.{property}");
        assert!(compose.lines().any(|line| line.trim() == flag), "{flag}");
    }
}
