//! Faults of services, servers and records: nothing is lost, nothing is in two places, one test a sentence.
//!
//! The servers are this binary's own. A test that disturbs them has them alone (`World::alone`); the rest run beside each
//! other.
//!
//! | fault | where it is tested |
//! | --- | --- |
//! | processor killed mid-batch, between write and commit, at any point | `killed` |
//! | clean stop under load; second SIGTERM, or the deadline, during the drain | `killed`; `shutdown` |
//! | revoke mid-batch; three processors joining and leaving under load | `rebalance` |
//! | Cassandra paused beyond the session and the poll interval; killed and started | `cassandra` |
//! | Kafka restarted during produce, consume, commit and a send to the DLQ | `kafka` |
//! | DLQ missing, then created; a dead letter too large for it | `dead_letters` |
//! | DLQ unreachable while the main topic works; connections cut, slow, stalled, half-open; CQL errors | `network` |
//! | leaders of three brokers killed under load | `cluster` |
//! | Kafka's disk full | `disk` |
//! | poison as the very first record; a record beyond the budget; a version in the future; aborted transactions | `records` |
//! | a row that Cassandra can never take between good ones; a flood of poison | `end_to_end`: `isolation`, `flood` |
//! | clock stepped back in the producer; producer killed at any point | `end_to_end`: `cursor` |
//! | topic made anew behind the committed offset | `end_to_end`: `accounts` |
#![cfg(test)]

mod cassandra;
mod cluster;
mod dead_letters;
mod disk;
mod kafka;
mod killed;
mod network;
mod rebalance;
mod records;
mod shutdown;
mod users;

use end_to_end::World;

/// A member that is killed is missed after three seconds.
fn with_short_session(world: &World) -> World {
    world.with("KAFKA_SESSION_TIMEOUT_MS", "3000")
}

/// One row a request, one request at a time: slow enough to be met in the middle.
fn slowly(world: &World) -> World {
    with_short_session(world).with("CASSANDRA_BATCH_ROWS", "1").with("CASSANDRA_MAX_IN_FLIGHT", "1")
}
