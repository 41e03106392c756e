//! The only crate that names the Kafka client: consuming with a ledger, confirmed sends, transactions, and questions to the
//! cluster.

mod admin;
mod assignments;
mod budget;
mod client_log;
mod commit;
mod consumer;
mod delivery;
mod error;
mod ledger;
mod message;
mod producer;
mod reader;
mod rebalance;
mod receipt;
mod settings;
mod status;
mod topic;
mod transaction;

pub use admin::{Admin, AdminError};
pub use budget::Limits;
pub use consumer::{ConsumeError, GroupConsumer, Options};
pub use delivery::Delivered;
pub use error::{Class, ClientError, RequestError};
pub use ledger::{Outcome, Settled};
pub use producer::{Producer, SendError};
pub use reader::{ReadError, Start, TopicReader};
pub use receipt::{Receipt, Work};
pub use settings::{GroupProtocol, KafkaSettings, Topics};
pub use status::{Counters, PartitionStatus, Status};
pub use topic::{TopicError, UNREACHABLE_REMEDY, check_topic};
pub use transaction::{OpenError, TransactionError, TransactionalProducer};
