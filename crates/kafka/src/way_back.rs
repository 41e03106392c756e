//! The way back to the cluster for a client that knows no broker any more.
//!
//! The library forgets every broker that an answer about the cluster does not list, and with them the servers that it began with.
//! A lone broker that was paused, or whose host was, is fenced for a moment when it goes on, and its answers list none. The
//! library then begins again with its servers, unless the same answer cancels that, which is a matter of microseconds
//! (librdkafka issue 5301, in 2.12.1): a client that this happens to asks nobody ever again, and every request fails. So while its
//! statistics say that no broker is connected it is given its servers now and then: one that knows them does nothing about it.

use std::ffi::CString;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::bindings as c;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Least time between two times: the client keeps what it is given each time, some fifty bytes.
const BETWEEN: Duration = Duration::from_secs(10);

/// Whether the client's statistics name a broker that is connected and can be asked which others there are: a coordinator
/// ("logical") cannot. They are long, and nothing else in them is wanted.
pub(crate) fn any_is_up(statistics: &[u8]) -> bool {
    let statistics = String::from_utf8_lossy(statistics);
    [r#""source":"learned", "state":"UP""#, r#""source":"configured", "state":"UP""#]
        .iter()
        .any(|up| statistics.contains(up))
}

/// Whether a question failed in a way in which all questions of this client may fail from now on.
pub(crate) fn may_be_lost(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown)
    )
}

/// See the module's page.
#[derive(Debug)]
pub(crate) struct WayBack {
    servers: CString,
    next: Option<Instant>,
}

impl WayBack {
    /// To the servers of `config`.
    pub(crate) fn of(config: &ClientConfig) -> Self {
        let servers = config.get("bootstrap.servers").unwrap_or_default();
        // With a zero byte inside no client could have been built.
        Self { servers: CString::new(servers).unwrap_or_default(), next: None }
    }

    /// Gives `client` its servers if it is `cut_off`: no broker is connected.
    pub(crate) fn show<C: ClientContext>(&mut self, cut_off: bool, client: &Client<C>, now: Instant) {
        if !cut_off || self.next.is_some_and(|next| now < next) {
            return;
        }
        self.next = Some(now + BETWEEN);
        // SAFETY: the client is alive; the text ends with a zero byte and is copied.
        let known = unsafe { c::rd_kafka_brokers_add(client.native_ptr(), self.servers.as_ptr()) };
        tracing::debug!(known, "no broker is connected, the client is given its servers again");
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rdkafka::producer::Producer as _;
    use service::settings::Reader;

    use super::*;
    use crate::admin::Admin;
    use crate::polled_producer::PolledProducer;
    use crate::settings::KafkaSettings;

    const METADATA: i16 = 3;
    const API_VERSIONS: i16 = 18;
    /// `UNSUPPORTED_VERSION`: ask with the first one.
    const UNSUPPORTED: i16 = 35;

    /// A broker that knows two questions: which versions it speaks and which brokers there are.
    struct LoneBroker {
        address: SocketAddr,
        fenced: Arc<AtomicBool>,
    }

    impl LoneBroker {
        fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let (address, fenced) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
            let lists = Arc::clone(&fenced);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let lists = Arc::clone(&lists);
                    // Ends with its client.
                    std::thread::spawn(move || answer_all(stream?, address.port(), &lists));
                }
                io::Result::Ok(())
            });
            Self { address, fenced }
        }

        fn settings(&self) -> KafkaSettings {
            let servers = self.address.to_string();
            KafkaSettings::read(&mut Reader::from_pairs([("KAFKA_BOOTSTRAP_SERVERS", servers.as_str())]))
        }

        /// Whether it leaves itself out when it says which brokers there are.
        fn fence(&self, fenced: bool) {
            self.fenced.store(fenced, Ordering::SeqCst);
        }
    }

    /// Length, then which question in which version, its number, and more.
    fn answer_all(mut stream: TcpStream, port: u16, fenced: &AtomicBool) -> io::Result<()> {
        loop {
            let mut length = [0; 4];
            stream.read_exact(&mut length)?;
            let mut request = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
            stream.read_exact(&mut request)?;
            let short = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
            let mut answer = request[4..8].to_vec();
            match (short(0), short(2)) {
                (API_VERSIONS, 0) => {
                    answer.extend(0_i16.to_be_bytes());
                    answer.extend(2_i32.to_be_bytes());
                    for [key, first, last] in [[METADATA, 0, 1], [API_VERSIONS, 0, 0]] {
                        answer.extend([key, first, last].map(i16::to_be_bytes).concat());
                    }
                }
                (API_VERSIONS, _) => {
                    answer.extend(UNSUPPORTED.to_be_bytes());
                    answer.extend(0_i32.to_be_bytes());
                }
                (METADATA, _) => {
                    let listed = !fenced.load(Ordering::SeqCst);
                    answer.extend(i32::from(listed).to_be_bytes());
                    if listed {
                        let host = "127.0.0.1";
                        answer.extend(1_i32.to_be_bytes());
                        answer.extend(i16::try_from(host.len()).unwrap().to_be_bytes());
                        answer.extend(host.as_bytes());
                        answer.extend(i32::from(port).to_be_bytes());
                        // No rack.
                        answer.extend((-1_i16).to_be_bytes());
                    }
                    // The controller; one topic, without error, not internal, without partitions. For what an answer becomes
                    // the client has four times its length, so that the shortest ones do not fit: hence a long name.
                    answer.extend(1_i32.to_be_bytes());
                    answer.extend(1_i32.to_be_bytes());
                    answer.extend([0, 0, 0, 200]);
                    answer.extend([b't'; 200]);
                    answer.push(0);
                    answer.extend(0_i32.to_be_bytes());
                }
                (other, version) => panic!("question {other} in version {version}"),
            }
            stream.write_all(&u32::try_from(answer.len()).unwrap().to_be_bytes())?;
            stream.write_all(&answer)?;
        }
    }

    /// How many brokers the client is told of, once it is told of so many.
    fn told_of(producer: &PolledProducer, brokers: usize) {
        let begun = Instant::now();
        loop {
            let told = producer.client().fetch_metadata(None, Duration::from_secs(1));
            match told.map(|told| told.brokers().len()) {
                Ok(told) if told == brokers => return,
                told => assert!(begun.elapsed() < Duration::from_secs(60), "not told of {brokers} brokers: {told:?}"),
            }
        }
    }

    #[test]
    fn a_coordinator_is_not_the_way_back() {
        let broker = |source: &str, state: &str| {
            format!(r#""brokers":{{ "x": {{ "name":"x", "source":"{source}", "state":"{state}", "stateage":1"#)
        };
        let up = |source, state| any_is_up(broker(source, state).as_bytes());
        assert!(up("learned", "UP") && up("configured", "UP"));
        assert!(!up("logical", "UP") && !up("learned", "DOWN") && !up("configured", "TRY_CONNECT"));
    }

    #[test]
    fn a_producer_whose_only_broker_was_fenced_finds_it_again() {
        let broker = LoneBroker::start();
        // Whether a client is lost is a matter of luck.
        for _ in 0..3 {
            let producer = PolledProducer::new(&broker.settings().producer("test")).unwrap();
            told_of(&producer, 1);
            broker.fence(true);
            told_of(&producer, 0);
            broker.fence(false);
            told_of(&producer, 1);
        }
    }
    #[tokio::test]
    async fn questions_are_answered_after_the_only_broker_was_fenced() {
        let broker = LoneBroker::start();
        // A question of a lost client takes its whole time.
        for _ in 0..2 {
            let admin = Admin::new(&broker.settings(), "test").unwrap();
            assert_eq!(admin.partitions("none").await.unwrap(), None);
            for fenced in [true, false] {
                broker.fence(fenced);
                if admin.partitions("none").await.is_err() {
                    assert_eq!(admin.partitions("none").await.unwrap(), None, "the second time");
                }
            }
        }
    }
}
