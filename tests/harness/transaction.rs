//! Another program's transaction that stays open: it hides what is written behind it, as one does whose end a broker has skipped.

use std::sync::mpsc::{Sender, channel};

use kafka::{Delivered, KafkaSettings, TransactionalProducer};
use schema::record::NewRecord;

use crate::world::World;

/// See the module's page. Dropped, it is committed.
pub struct OpenTransaction {
    kafka: KafkaSettings,
    id: String,
    _release: Sender<()>,
}

impl OpenTransaction {
    /// Begins one and writes these records.
    pub async fn begin(world: &World, records: Vec<NewRecord>) -> Self {
        let kafka = world.kafka();
        let id = format!("holder-{}", kafka.topics.user_data);
        let (opened, is_open) = channel();
        let (release, released) = channel();
        let (of_holder, its_id, count) = (kafka.clone(), id.clone(), records.len());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let holder = TransactionalProducer::new(&of_holder, "test", &its_id).await.expect("the id");
                let hold = |delivered: &[Delivered]| {
                    opened.send(delivered.len()).expect("somebody who waits");
                    // Nothing is ever sent.
                    let _ = released.recv();
                    Vec::new()
                };
                // The test sees how it ended.
                drop(holder.publish_with(&records, hold).await);
            });
        });
        let written = tokio::task::spawn_blocking(move || is_open.recv()).await.expect("a look");
        assert_eq!(written.expect("an open transaction"), count);
        Self { kafka, id, _release: release }
    }

    /// Aborts it: whoever takes the id ends what was open under it.
    pub async fn abort(self) {
        drop(TransactionalProducer::new(&self.kafka, "test", &self.id).await.expect("the id"));
    }
}
