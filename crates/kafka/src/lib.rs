//! The only crate that names the Kafka client: consuming with a ledger, confirmed sends, transactions, and questions to the
//! cluster.

mod account;
mod admin;
mod assign;
mod assignments;
mod budget;
mod client_log;
mod commit;
mod commit_request;
mod consumer;
mod delivery;
mod error;
mod finder;
mod ledger;
mod member;
mod message;
mod newest;
mod polled;
mod polled_producer;
mod producer;
mod queue;
mod reader;
mod rebalance;
mod receipt;
mod revoke;
mod settings;
mod status;
mod topic;
mod topic_ids;
mod transaction;

pub use account::Account;
pub use admin::{Admin, AdminError, Committed};
pub use budget::Limits;
pub use consumer::{ConsumeError, GroupConsumer, Options};
pub use delivery::Delivered;
pub use error::{Class, ClientError, RequestError};
pub use finder::{Missing, RecordFinder};
pub use ledger::{Delivery, Ledger, Outcome, Settled, Settlement};
pub use newest::{newest, newest_written, wait_until_decided};
pub use producer::{Producer, SendError};
pub use reader::{Progress, ReadError, Start, TopicReader};
pub use receipt::{Receipt, Revokes, Work};
pub use settings::{GroupProtocol, KafkaSettings, Topics};
pub use status::{Counters, PartitionStatus, Status};
pub use topic::{TopicError, UNREACHABLE_REMEDY, check_topic};
pub use transaction::{OpenError, Reach, TransactionError, TransactionalProducer};
