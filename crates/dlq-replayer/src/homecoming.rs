//! Waiting for replayed records: processed, or back as dead letters.
//!
//! In this order: first the group's committed offset passes the record, then the dead-letter topic is looked at. The processor
//! commits past a record only after its dead letter is stored (I2), so a record that was passed and is not on the
//! dead-letter topic is home.
//!
//! The ledger is told by a plain producer and not under the job's transactional id: an ending never makes a letter unresolved
//! again, so nobody replays it for that, and whoever waits neither fences another job nor is fenced by one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound as _, Utc};
use kafka::{Admin, AdminError, KafkaSettings, Producer, SendError};
use service::shutdown::Shutdown;
use tokio::sync::watch;

use crate::disposition::{Disposition, State};
use crate::job::JobError;
use crate::job::progress::{Phase, Progress};
use crate::mailroom::{CLIENT, Mailroom, Return};
use crate::preflight::Row;
use crate::report::Report;
use crate::stored::Stored;

/// How often the group is asked for its offsets.
const LOOK: Duration = Duration::from_millis(500);
/// A group that commits nothing for so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Ledger entries under way at once.
const CHUNK: usize = 1000;

/// What the waiting needs.
pub(crate) struct Watch<'a> {
    pub(crate) admin: &'a Admin,
    pub(crate) mailroom: &'a Mailroom,
    pub(crate) kafka: &'a KafkaSettings,
    pub(crate) stored: Option<&'a Stored>,
    pub(crate) progress: &'a watch::Sender<Progress>,
}

impl Watch<'_> {
    /// Waits for the flights and writes what became of them into the ledger. `rows` are those of the flights, by id; `since` is where the dead-letter topic ended
    /// before the first of them left.
    pub(crate) async fn settle(
        &self,
        flights: Vec<Disposition>,
        rows: &HashMap<String, Row>,
        since: BTreeMap<i32, i64>,
        report: &mut Report,
        shutdown: &Shutdown,
    ) -> Result<(), JobError> {
        if flights.is_empty() {
            return Ok(());
        }
        tracing::info!(group = self.kafka.group_id, records = flights.len(), "waiting until they are processed");
        let (passed, open) = self.passed(flights, report, shutdown).await;
        report.unconfirmed += open.len();
        if passed.is_empty() {
            return Ok(());
        }
        // A dead letter behind a transaction that stays open is there and not seen.
        if let Err(error) = self.mailroom.decided(&self.kafka.topics.dlq).await {
            tracing::warn!(%error, "nobody knows which of the replayed dead letters came back");
            report.unconfirmed += passed.len();
            return Ok(());
        }
        let came_back = self.mailroom.boomerangs(&report.replay_id, since).await?;
        let entries: Vec<_> = passed
            .into_iter()
            .map(|entry| {
                let back = came_back.get(&entry.id);
                ending(entry, back, Utc::now())
            })
            .collect();
        tell(&Producer::new(self.kafka, CLIENT)?, &entries, &self.kafka.topics.ledger).await?;
        let mut home = Vec::new();
        for entry in &entries {
            if entry.state == State::Boomeranged {
                report.boomerang(came_back.get(&entry.id).and_then(|back| back.reason));
            } else {
                report.confirmed += 1;
                home.extend(rows.get(&entry.id).copied());
            }
        }
        if let Some(stored) = self.stored {
            report.lose(lost(stored, &home).await);
        }
        Ok(())
    }

    /// Those that the group has passed, and those that it has not when the waiting ends.
    async fn passed(
        &self,
        flights: Vec<Disposition>,
        report: &Report,
        shutdown: &Shutdown,
    ) -> (Vec<Disposition>, Vec<Disposition>) {
        let (mut passed, mut open) = (Vec::new(), flights);
        let (mut last, mut moved) = (BTreeMap::new(), Instant::now());
        loop {
            let counts = Report { unconfirmed: report.unconfirmed + open.len(), ..report.clone() };
            self.progress.send_replace(Progress { phase: Phase::Waiting, report: counts });
            match committed(self.admin, self.kafka).await {
                Ok(committed) => {
                    if committed != last {
                        moved = Instant::now();
                    }
                    let (home, away) = open.into_iter().partition(|entry| is_passed(entry, &committed));
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
}

/// How many of the rows have lost to newer ones, where Cassandra says.
async fn lost(stored: &Stored, home: &[Row]) -> Option<usize> {
    match stored.lost(home).await {
        Ok(lost) => Some(lost),
        Err(error) => {
            tracing::warn!(%error, "which of the replayed records are stale is not known");
            None
        }
    }
}

/// What the processor's group has committed on the users' topic.
pub(crate) async fn committed(admin: &Admin, kafka: &KafkaSettings) -> Result<BTreeMap<i32, i64>, AdminError> {
    admin.committed(&kafka.group_id, &kafka.topics.user_data).await
}

/// Whether the group is past the replayed record. A committed offset is the next one to be read.
pub(crate) fn is_passed(entry: &Disposition, committed: &BTreeMap<i32, i64>) -> bool {
    let landed = entry.landed.as_ref();
    landed.is_some_and(|at| committed.get(&at.partition).is_some_and(|next| *next > at.offset))
}

/// What the ledger says of a record that was passed.
pub(crate) fn ending(entry: Disposition, back: Option<&Return>, now: DateTime<Utc>) -> Disposition {
    let boomerang = back.map(|back| back.id.clone());
    let state = if boomerang.is_some() { State::Boomeranged } else { State::Confirmed };
    Disposition { state, boomerang, at: now.trunc_subsecs(6).max(entry.at), ..entry }
}

/// Writes endings into the ledger.
pub(crate) async fn tell(producer: &Producer, entries: &[Disposition], ledger: &str) -> Result<(), SendError> {
    let ledger = Arc::from(ledger);
    for chunk in entries.chunks(CHUNK) {
        let sent = producer.send_all(chunk.iter().map(|entry| entry.record(&ledger))).await;
        sent.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disposition::Landed;
    use crate::fixture;

    fn replayed(offset: i64) -> Disposition {
        let letter = fixture::read_letter(0, offset, offset);
        let landed = Landed { topic: "user_data".to_owned(), partition: 1, offset };
        Disposition {
            landed: Some(landed),
            ..Disposition::new(&letter, State::Replayed, 1, "me", "why", fixture::now())
        }
    }

    #[test]
    fn a_record_is_passed_when_the_next_offset_to_read_lies_behind_it() {
        for (committed, passed) in
            [(vec![], false), (vec![(0, 99)], false), (vec![(1, 7)], false), (vec![(1, 8)], true)]
        {
            assert_eq!(is_passed(&replayed(7), &committed.into_iter().collect()), passed);
        }
        let nowhere = Disposition { landed: None, ..replayed(7) };
        assert!(!is_passed(&nowhere, &BTreeMap::from([(1, 8)])), "nobody knows where it landed");
    }

    #[test]
    fn what_came_back_is_boomeranged_and_the_rest_is_confirmed() {
        let back = Return { id: "user_data/0/9".to_owned(), reason: None };
        let told = [(1, Some(&back)), (2, None)].map(|(offset, back)| {
            let entry = ending(replayed(offset), back, fixture::now());
            (entry.state, entry.boomerang, entry.replays)
        });
        let boomeranged = (State::Boomeranged, Some("user_data/0/9".to_owned()), 1);
        assert_eq!(told, [boomeranged, (State::Confirmed, None, 1)]);
    }
}
