//! Waiting for replayed records: processed, or back as dead letters.
//!
//! In this order: first the group's committed offset passes the record, then the dead-letter topic is looked at. The processor
//! commits past a record only after its dead letter is stored (I2), so a record that was passed and is not on the
//! dead-letter topic is home.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{SubsecRound as _, Utc};
use kafka::{Admin, AdminError, Delivered, KafkaSettings, TransactionalProducer};
use service::shutdown::Shutdown;

use crate::disposition::{Disposition, State};
use crate::mailroom::Mailroom;
use crate::replay::{Flight, ReplayError};
use crate::report::Report;

/// How often the group is asked for its offsets.
const LOOK: Duration = Duration::from_millis(500);
/// A group that commits nothing for so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Ledger entries of one transaction.
const CHUNK: usize = 1000;

/// What the waiting needs.
pub(crate) struct Watch<'a> {
    pub(crate) admin: &'a Admin,
    pub(crate) mailroom: &'a Mailroom,
    pub(crate) kafka: &'a KafkaSettings,
    pub(crate) producer: &'a TransactionalProducer,
    pub(crate) ledger: &'a Arc<str>,
}

impl Watch<'_> {
    /// Waits for the flights and writes what became of them into the ledger. `since` is where the dead-letter topic ended
    /// before the first of them left.
    pub(crate) async fn settle(
        &self,
        flights: Vec<Flight>,
        since: BTreeMap<i32, i64>,
        report: &mut Report,
        shutdown: &Shutdown,
    ) -> Result<(), ReplayError> {
        if flights.is_empty() {
            return Ok(());
        }
        tracing::info!(group = self.kafka.group_id, records = flights.len(), "waiting until they are processed");
        let (passed, open) = self.passed(flights, shutdown).await;
        report.unconfirmed = open.len();
        if passed.is_empty() {
            return Ok(());
        }
        let came_back = self.mailroom.boomerangs(&report.replay_id, since).await?;
        let entries = endings(passed, &came_back);
        for chunk in entries.chunks(CHUNK) {
            let records: Vec<_> = chunk.iter().map(|entry| entry.record(self.ledger)).collect();
            let published = report.replayed + report.parked;
            let stopped = |source| ReplayError::after(published, source);
            self.producer.publish(&records).await.map_err(stopped)?;
        }
        report.boomeranged = entries.iter().filter(|entry| entry.state == State::Boomeranged).count();
        report.confirmed = entries.len() - report.boomeranged;
        Ok(())
    }

    /// Those that the group has passed, and those that it has not when the waiting ends.
    async fn passed(&self, flights: Vec<Flight>, shutdown: &Shutdown) -> (Vec<Flight>, Vec<Flight>) {
        let (mut passed, mut open) = (Vec::new(), flights);
        let (mut last, mut moved) = (BTreeMap::new(), Instant::now());
        loop {
            match self.committed().await {
                Ok(committed) => {
                    if committed != last {
                        moved = Instant::now();
                    }
                    let (home, away) = open.into_iter().partition(|flight| is_passed(flight.landed, &committed));
                    let home: Vec<_> = home;
                    passed.extend(home);
                    open = away;
                    last = committed;
                }
                Err(error) => tracing::warn!(%error, "the group's offsets are not known, asking again"),
            }
            if open.is_empty() || shutdown.is_requested() {
                break;
            }
            if moved.elapsed() >= PATIENCE {
                let waited = PATIENCE.as_secs();
                tracing::warn!(
                    open = open.len(),
                    group = self.kafka.group_id,
                    "the group commits nothing for {waited} s"
                );
                break;
            }
            shutdown.cuts(tokio::time::sleep(LOOK)).await;
        }
        (passed, open)
    }

    async fn committed(&self) -> Result<BTreeMap<i32, i64>, AdminError> {
        self.admin.committed(&self.kafka.group_id, &self.kafka.topics.user_data).await
    }
}

/// A committed offset is the next one to be read.
fn is_passed(landed: Delivered, committed: &BTreeMap<i32, i64>) -> bool {
    committed.get(&landed.partition).is_some_and(|next| *next > landed.offset)
}

/// What the ledger says of records that were passed.
fn endings(passed: Vec<Flight>, came_back: &HashMap<String, String>) -> Vec<Disposition> {
    let at = Utc::now().trunc_subsecs(6);
    let ending = |flight: Flight| {
        let boomerang = came_back.get(&flight.entry.id).cloned();
        let state = if boomerang.is_some() { State::Boomeranged } else { State::Confirmed };
        Disposition { state, boomerang, at: at.max(flight.entry.at), ..flight.entry }
    };
    passed.into_iter().map(ending).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_record_is_passed_when_the_next_offset_to_read_lies_behind_it() {
        let landed = Delivered { partition: 1, offset: 7 };
        for (committed, passed) in
            [(vec![], false), (vec![(0, 99)], false), (vec![(1, 7)], false), (vec![(1, 8)], true)]
        {
            assert_eq!(is_passed(landed, &committed.into_iter().collect()), passed);
        }
    }

    #[test]
    fn what_came_back_is_boomeranged_and_the_rest_is_confirmed() {
        let flight = |offset| {
            let letter = fixture::read_letter(0, offset, offset);
            let entry = Disposition::new(&letter, State::Replayed, 1, "me", "why", fixture::now());
            Flight { entry, landed: Delivered { partition: 0, offset } }
        };
        let came_back = HashMap::from([("user_data/0/1".to_owned(), "user_data/0/9".to_owned())]);
        let entries = endings(vec![flight(1), flight(2)], &came_back);
        let told: Vec<_> =
            entries.iter().map(|entry| (entry.state, entry.boomerang.as_deref(), entry.replays)).collect();
        assert_eq!(told, [(State::Boomeranged, Some("user_data/0/9"), 1), (State::Confirmed, None, 1)]);
    }
}
