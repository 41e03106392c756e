//! A TCP proxy on 127.0.0.1 that stands between a service and Kafka or Cassandra and does what networks and tired servers do.
//!
//! [`Proxy::start`] listens and forwards; [`Proxy::set`] brings a [`Fault`] over all connections, those that are open and
//! those to come, and [`Fault::None`] heals it. [`Proxy::set_for`] does so for the connections of one Kafka client.
//!
//! The one rule: what is forwarded is forwarded byte for byte and in order. A fault delays, cuts or withholds; it never
//! changes what passes. Only [`Fault::Answer`] speaks for the server, in whole frames of its own.

mod connection;
mod counters;
mod cql;
mod fault;
mod gate;
mod kafka;
mod proxy;
mod pump;
mod rules;

pub use counters::Counters;
pub use fault::{CqlError, Fault};
pub use proxy::{Protocol, Proxy, StartError};
