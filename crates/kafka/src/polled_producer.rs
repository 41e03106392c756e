//! A producer with a thread of its own that serves its delivery reports.
//!
//! The wrapper's own does that ten times a second, and spins for the last part of a millisecond each time, because the library
//! counts whole ones: half a percent of a core for a producer that has nothing to send. And it makes a call of each report;
//! here all reports of an event, which are those of one batch, are taken at once.

use std::borrow::Borrow;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::bindings as c;
use rdkafka::client::ClientContext as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use schema::record::NewRecord;
use tokio::sync::Mutex;

use crate::delivery::{Awaited, Deliveries};
use crate::error::ClientError;
use crate::message::client_headers;
use crate::queue::{Event, Queue};
use crate::way_back::WayBack;

/// Longest wait for a report, hence how long dropping the producer may take. A report itself ends the wait.
const PATIENCE: Duration = Duration::from_millis(500);

/// See the module's page. Dropping it purges what is not acknowledged.
pub(crate) struct PolledProducer {
    producer: Arc<BaseProducer<Deliveries>>,
    deliveries: Deliveries,
    /// Held while records are handed over: they keep their order where they have to wait for room, too.
    turn: Mutex<()>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl PolledProducer {
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        let deliveries = Deliveries::default();
        let producer: BaseProducer<Deliveries> =
            config.create_with_context(deliveries.clone()).map_err(ClientError::Config)?;
        let (producer, stop) = (Arc::new(producer), Arc::new(AtomicBool::new(false)));
        let queue = Queue::main(producer.client()).ok_or_else(|| {
            ClientError::Config(KafkaError::ClientCreation("the client has no queue of events".to_owned()))
        })?;
        let (way_back, of_thread) = (WayBack::of(config), Arc::clone(&stop));
        let reports = Reports { queue, producer: Arc::clone(&producer), way_back, stop: of_thread };
        let thread = std::thread::Builder::new().name("kafka-reports".to_owned()).spawn(move || reports.serve());
        Ok(Self {
            producer,
            deliveries,
            turn: Mutex::new(()),
            stop,
            thread: Some(thread.map_err(ClientError::Thread)?),
        })
    }

    /// Hands records to the client, which copies them, in order and behind those of earlier calls; waits while its queue is full.
    pub(crate) async fn hand_over<R: Borrow<NewRecord>>(
        &self,
        records: impl IntoIterator<Item = R, IntoIter: ExactSizeIterator>,
    ) -> Awaited {
        let _turn = self.turn.lock().await;
        let records = records.into_iter();
        let mut awaited = self.deliveries.open(records.len());
        for record in records {
            match self.enqueue_when_room(record.borrow(), awaited.opaque()).await {
                Ok(()) => awaited.taken(),
                Err(code) => awaited.not_taken(code),
            }
        }
        awaited
    }

    async fn enqueue_when_room(&self, record: &NewRecord, opaque: usize) -> Result<(), RDKafkaErrorCode> {
        let mut tried = self.enqueue(record, opaque);
        while tried == Err(RDKafkaErrorCode::QueueFull) {
            // What becomes free after this line is not missed.
            let room = self.deliveries.room();
            tried = self.enqueue(record, opaque);
            if tried == Err(RDKafkaErrorCode::QueueFull) {
                room.await;
            }
        }
        tried
    }

    fn enqueue(&self, record: &NewRecord, opaque: usize) -> Result<(), RDKafkaErrorCode> {
        let mut message = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&record.topic, opaque)
            .headers(client_headers(&record.headers));
        message.partition = record.partition;
        message.timestamp = record.timestamp_ms;
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        self.producer.send(message).map_err(|(error, _)| code_of(&error))
    }
}

fn code_of(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::InvalidArgument)
}

impl Deref for PolledProducer {
    type Target = BaseProducer<Deliveries>;

    fn deref(&self) -> &Self::Target {
        &self.producer
    }
}

impl Drop for PolledProducer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the thread that serves a producer's reports panicked");
        }
    }
}

/// What the thread does.
struct Reports {
    /// Before the client it belongs to.
    queue: Queue,
    producer: Arc<BaseProducer<Deliveries>>,
    way_back: WayBack,
    stop: Arc<AtomicBool>,
}

impl Reports {
    fn serve(mut self) {
        while !self.stop.load(Ordering::SeqCst) {
            if let Some(event) = self.queue.poll(PATIENCE) {
                self.take(event);
            }
            let cut_off = self.producer.context().is_cut_off();
            self.way_back.show(cut_off, self.producer.client(), Instant::now());
        }
    }

    fn take(&self, event: Event) {
        let deliveries = &**self.producer.context();
        match event.kind() {
            c::RD_KAFKA_EVENT_DR => {
                deliveries.report(event.reports());
                // With the event the client gives the records up.
                drop(event);
                deliveries.made_room();
            }
            c::RD_KAFKA_EVENT_ERROR => {
                if let Err(code) = event.error() {
                    deliveries.error(KafkaError::Global(code), &event.error_text());
                }
            }
            kind => {
                if !event.tell(deliveries) {
                    tracing::debug!(kind, "event of the client is not for us");
                }
            }
        }
    }
}
