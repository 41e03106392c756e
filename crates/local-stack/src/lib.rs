//! A real Kafka and a real Cassandra as child processes on 127.0.0.1, without Docker.
//!
//! [`Artifacts::ensure`] fetches both servers' jars once with Maven and checks each against a checksum we carry;
//! [`Stack::start`] runs them and returns when both answer; [`Cluster::start`] runs three Kafka brokers alone. Needs a JDK 17, and Maven for the first start.
//!
//! The one rule: every process is started through [`Process`], so that it ends with ours, however ours ends. That holds
//! on Linux; on macOS an ordered end frees the children, a `SIGKILL` of ours does not.
//!
//! All operations block; from async code, call them where blocking is allowed.

mod artifacts;
mod cassandra;
mod class_path;
mod cluster;
mod component;
mod data_dir;
mod failure;
mod jar_lock;
mod java;
mod kafka;
mod machine;
mod maven;
mod metadata;
mod node;
mod options;
pub mod port;
mod probe;
mod process;
mod stack;

pub use artifacts::{Artifacts, FetchError, Progress};
pub use cluster::{Cluster, PartitionState};
pub use failure::StackError;
pub use java::JavaError;
pub use machine::Machine;
pub use node::Node;
pub use options::{ClusterOptions, Profile, StackOptions};
pub use process::Process;
pub use stack::Stack;
