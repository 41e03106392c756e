//! The wire contract and the rules: what a user record is, how it is judged, and what a dead letter says.
//!
//! Pure: no I/O, no clock, no runtime. Every function takes `now` and its data as arguments, so that the processor, the
//! producer and the replayer's preflight run the very same code.
//!
//! - [`api`]: the shape of the RandomUser API's answer; [`produce`]: one of its users to a record of `user_data`.
//! - [`row`]: a record of `user_data`, `user/1` or the flat dialect, to a row of the table; [`upcast`]: from flat to `user/1`.
//! - [`fault`], [`reason`]: why a record can never succeed unchanged; [`dead_letter`]: what is published about it.
//! - [`record`], [`headers`], [`event`], [`version`], [`topics`]: the wire's nouns.

pub mod api;
mod api_user;
pub mod date;
pub mod dead_letter;
pub mod event;
pub mod fault;
mod flat;
pub mod headers;
pub mod identity;
mod json;
pub mod produce;
pub mod reason;
pub mod record;
pub mod redaction;
pub mod row;
pub mod rules;
mod text;
pub mod topics;
pub mod upcast;
mod user;
pub mod version;
