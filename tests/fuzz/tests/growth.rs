//! Large hostile inputs: what a decoder needs grows with its input and not with the square of it.
#![expect(clippy::expect_used, reason = "a failure is told by a panic, in the helpers of a test too")]

use std::time::Duration;

use fuzz::{TARGETS, Target};

const SMALL: usize = 32 << 10;

/// How many times larger the other input is.
const FACTOR: usize = 8;

/// Between a time that grows by the factor and one that grows by its square, 64.
const MOST: u32 = 20;

/// Far below what any input here takes once its time grows with the square.
const UNMEASURABLE: Duration = Duration::from_millis(200);

/// What stands before, what is repeated, and what stands after.
const SHAPES: [(&str, &str, &str); 19] = [
    ("", "[", ""),
    ("", "{\"a\":", ""),
    ("{", "\"a\":1,", "\"a\":1}"),
    ("{", "\"password\":[1],", "\"a\":1}"),
    ("{\"id\":{", "\"value\":{\"value\":1},", "\"value\":1}}"),
    ("{\"email\":\"", "\\u00e9\\n", "@example.com\"}"),
    ("[", "                    1,", "1]"),
    ("{\"results\":[", "{\"a\": \"b\"},", "{}],\"info\":{}}"),
    ("", "dlq.error.details: []\n", "\n{}"),
    ("schema.id: user/1\n", "replay.count: 1\n", "\n{\"email\": 1}"),
    ("dlq.v: 1\ndlq.error.details: [", "{\"pointer\":\"/a\",\"rule\":\"b\"},", "{}]\n\n"),
    ("__connect.errors.exception.message: ", "' 0x1f-1.5 a'b \"", "\n\n"),
    ("", "dead-letter-topic: a\nx-original-topic: b\n", "\n{}"),
    ("\n{\"error_type\":\"E\",\"original_message\":[", "{\"a\":[]},", "0]}"),
    ("", "KAFKA_LINGER_MS: 1\n", "\n"),
    ("CASSANDRA_HOSTS: ", "localhost,", "localhost\n"),
    ("\nkafka_bootstrap_servers = [", "\"localhost:9092\", ", "\"\"]"),
    ("\n", "[[a]]\n", ""),
    ("", "-- ;\n';';", ""),
];

/// Time of the processor: a busy machine does not slow it.
fn taken(target: &Target, (before, repeated, after): (&str, &str, &str), size: usize) -> Duration {
    let input = format!("{before}{}{after}", repeated.repeat(size / repeated.len()));
    let began = processor_time();
    target.take(input.as_bytes());
    processor_time() - began
}

fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes a timespec to where the pointer leads, and the variable outlives the call.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(outcome, 0);
    let part = |part: i64| u64::try_from(part).expect("a time after the thread's start");
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

#[test]
fn an_input_eight_times_as_large_takes_about_eight_times_as_long() {
    for shape in SHAPES {
        for target in TARGETS {
            let small = taken(target, shape, SMALL);
            let large = taken(target, shape, SMALL * FACTOR);
            let most = small * MOST + UNMEASURABLE;
            assert!(
                large <= most,
                "{}: {:?} repeated took {small:?}, {FACTOR} times as much {large:?}",
                target.name,
                shape.1
            );
        }
    }
}
