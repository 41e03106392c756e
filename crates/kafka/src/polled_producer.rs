//! A producer with a thread of its own that serves its delivery reports.
//!
//! The wrapper's own does that ten times a second, and spins for the last part of a millisecond each time, because the library
//! counts whole ones: half a percent of a core for a producer that has nothing to send.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::BaseProducer;

use crate::delivery::Deliveries;
use crate::error::ClientError;

/// Longest wait for a report, hence how long dropping the producer may take. A report itself ends the wait.
///
/// A tenth of a millisecond above a whole one: with whole ones a little less is left when the wrapper looks, the library waits
/// one less, and the wrapper spins for the last one. That was most of what an idle producer used.
const PATIENCE: Duration = Duration::from_micros(500_100);

/// See the module's page. Dropping it purges what is not acknowledged.
pub(crate) struct PolledProducer {
    producer: Arc<BaseProducer<Deliveries>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl PolledProducer {
    pub(crate) fn new(config: &ClientConfig, deliveries: Deliveries) -> Result<Self, ClientError> {
        let producer: BaseProducer<Deliveries> = config.create_with_context(deliveries).map_err(ClientError::Config)?;
        let (producer, stop) = (Arc::new(producer), Arc::new(AtomicBool::new(false)));
        let (polled, stopped) = (Arc::clone(&producer), Arc::clone(&stop));
        let poll = move || {
            while !stopped.load(Ordering::SeqCst) {
                polled.poll(PATIENCE);
            }
        };
        let thread =
            std::thread::Builder::new().name("kafka-reports".to_owned()).spawn(poll).map_err(ClientError::Thread)?;
        Ok(Self { producer, stop, thread: Some(thread) })
    }
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
