//! Cassandra's native protocol, version 4, as far as a proxy has to know it: where frames end, which are writes, and how an
//! error is said (`native_protocol_v4.spec` of Apache Cassandra). The driver of the services speaks version 4.

mod error_frame;
mod forgery;
mod frame;

pub(crate) use forgery::{Answers, Requests, line};
pub(crate) use frame::FrameError;
