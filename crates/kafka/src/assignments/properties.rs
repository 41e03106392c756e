//! Any interleaving of what a broker, a group and workers can do keeps I1, I5, I6 and I8, against a plain model: logs as lists
//! of offsets, a broker that keeps what was committed, and the set of what is durable.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use schema::record::Headers;

use super::*;
use crate::ledger::Outcome;
use crate::receipt::Receipt;

const PARTITIONS: usize = 2;
const LIMITS: Limits = Limits { records: 7, bytes: 60 };
const BYTES: usize = 10;

#[derive(Debug, Clone)]
enum Step {
    /// Records, and behind each so many markers.
    Append {
        partition: usize,
        markers: Vec<u8>,
    },
    Assign(usize),
    Revoke {
        partition: usize,
        lost: bool,
    },
    Deliver(usize),
    /// The client says that it has read to the end.
    End(usize),
    /// The client delivers an offset that it delivered before.
    Repeat(usize, usize),
    /// Deleted and made anew behind everybody's back.
    Recreate(usize),
    LookAtTopics,
    /// A worker, of whatever epoch, has made its record durable.
    Settle(usize, u8),
    Drop(usize),
    Commit,
    /// `stored`: by the broker. `told`: the outcome reached us.
    Answer {
        stored: bool,
        told: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let partition = || 0..PARTITIONS;
    let step = prop_oneof![
        2 => (partition(), prop::collection::vec(0u8..3, 0..6)).prop_map(|(partition, markers)| Step::Append { partition, markers }),
        2 => partition().prop_map(Step::Assign),
        1 => (partition(), any::<bool>()).prop_map(|(partition, lost)| Step::Revoke { partition, lost }),
        12 => partition().prop_map(Step::Deliver),
        3 => partition().prop_map(Step::End),
        1 => (partition(), any::<usize>()).prop_map(|(partition, index)| Step::Repeat(partition, index)),
        1 => partition().prop_map(Step::Recreate),
        1 => Just(Step::LookAtTopics),
        12 => (any::<usize>(), 0u8..3).prop_map(|(index, outcome)| Step::Settle(index, outcome)),
        1 => any::<usize>().prop_map(Step::Drop),
        3 => Just(Step::Commit),
        3 => (any::<bool>(), any::<bool>()).prop_map(|(stored, told)| Step::Answer { stored, told }),
    ];
    prop::collection::vec(step, 1..150)
}

/// One partition as the broker has it.
#[derive(Debug, Default)]
struct Log {
    generation: usize,
    records: Vec<i64>,
    end: i64,
    /// Of this generation.
    durable: BTreeSet<i64>,
    committed: Option<(i64, Account)>,
    /// Where the client stands; none while the partition is not held.
    position: Option<i64>,
}

impl Log {
    fn id(&self) -> String {
        format!("generation {}", self.generation)
    }

    /// Where the client stands: a position that is out of range is set to the earliest.
    fn reset(&mut self) -> Option<i64> {
        self.position = self.position.map(|position| if position > self.end { 0 } else { position });
        self.position
    }

    fn between(&self, from: i64, to: i64) -> impl Iterator<Item = i64> {
        self.records.iter().copied().filter(move |offset| (from..to).contains(offset))
    }
}

/// A record that a worker has taken up.
struct UnderWay {
    partition: usize,
    generation: usize,
    offset: i64,
    receipt: Receipt,
}

struct World {
    logs: [Log; PARTITIONS],
    workers: Vec<UnderWay>,
    assignments: Assignments,
    inbox: Arc<Inbox>,
    /// A commit under way.
    sent: Option<Vec<Commitment>>,
}

fn name(partition: usize) -> [(String, i32); 1] {
    [("t".to_owned(), partition as i32)]
}

impl World {
    fn new() -> Self {
        let inbox: Arc<Inbox> = Arc::default();
        let policy = CommitPolicy::new(Duration::ZERO, 1, Instant::now());
        Self {
            logs: Default::default(),
            workers: Vec::new(),
            assignments: Assignments::new(LIMITS, policy, Arc::clone(&inbox)),
            inbox,
            sent: None,
        }
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Append { partition, markers } => {
                let log = &mut self.logs[partition];
                for count in markers {
                    log.records.push(log.end);
                    log.end += 1 + i64::from(count);
                }
            }
            Step::Assign(partition) => self.assign(partition),
            Step::Revoke { partition, lost } => {
                if !lost {
                    self.answer(true, true);
                    self.reports()?;
                    self.commit();
                    self.answer(true, true);
                }
                self.answer(false, false);
                self.assignments.remove(&name(partition));
                self.logs[partition].position = None;
            }
            Step::Deliver(partition) => self.deliver(partition)?,
            Step::End(partition) => {
                let log = &mut self.logs[partition];
                let Some(position) = log.reset() else { return Ok(()) };
                if log.between(position, log.end).next().is_none() {
                    let end = log.end;
                    log.position = Some(end);
                    if !self.assignments.reach("t", partition as i32, end) {
                        self.assignments.restart("t", partition as i32, None);
                    }
                }
            }
            Step::Repeat(partition, index) => {
                let log = &mut self.logs[partition];
                let Some(position) = log.reset() else { return Ok(()) };
                let before: Vec<i64> = log.between(0, position).collect();
                if !before.is_empty() {
                    log.position = Some(before[index % before.len()]);
                    self.deliver(partition)?;
                }
            }
            Step::Recreate(partition) => {
                let log = &mut self.logs[partition];
                log.generation += 1;
                (log.records, log.end, log.durable) = (Vec::new(), 0, BTreeSet::new());
            }
            Step::LookAtTopics => {
                // Each partition of the model has a topic of its own, the name apart.
                for partition in 0..PARTITIONS {
                    let id = self.logs[partition].id();
                    if self.assignments.recreated("t", &id).contains(&(partition as i32)) {
                        self.assignments.restart("t", partition as i32, Some(id));
                        self.logs[partition].position = Some(0);
                    }
                }
            }
            Step::Settle(index, outcome) if !self.workers.is_empty() => {
                let at = index % self.workers.len();
                let UnderWay { partition, generation, offset, receipt } = self.workers.swap_remove(at);
                let log = &mut self.logs[partition];
                if log.generation == generation {
                    log.durable.insert(offset);
                }
                let outcomes = [Outcome::Written, Outcome::DeadLettered, Outcome::Skipped];
                receipt.settle(outcomes[usize::from(outcome)]);
                self.reports()?;
            }
            Step::Drop(index) if !self.workers.is_empty() => {
                drop(self.workers.swap_remove(index % self.workers.len()));
            }
            Step::Settle(..) | Step::Drop(_) => {}
            Step::Commit => self.commit(),
            Step::Answer { stored, told } => self.answer(stored, told),
        }
        Ok(())
    }

    fn assign(&mut self, partition: usize) {
        let log = &mut self.logs[partition];
        if log.position.is_some() {
            return;
        }
        let topic_id = Some(log.id());
        let start = match &log.committed {
            Some((offset, account)) if account.topic_id == topic_id => {
                Start::At { offset: *offset, account: account.clone() }
            }
            Some(_) | None => Start::Earliest { topic_id },
        };
        log.position = Some(match &start {
            Start::Earliest { .. } => 0,
            Start::At { offset, .. } => *offset,
        });
        self.assignments.add("t", partition as i32, start);
    }

    fn deliver(&mut self, partition: usize) -> Result<(), TestCaseError> {
        let log = &mut self.logs[partition];
        let Some(position) = log.reset() else {
            let elsewhere = self.assignments.deliver("t", partition as i32, |_| record(partition, 0));
            prop_assert!(matches!(elsewhere, Delivered::Elsewhere));
            return Ok(());
        };
        let Some(offset) = log.between(position, log.end).next() else { return Ok(()) };
        if !self.assignments.has_room() {
            return Ok(());
        }
        match self.assignments.deliver("t", partition as i32, |_| record(partition, offset)) {
            Delivered::Opened(work) => {
                log.position = Some(offset + 1);
                let generation = log.generation;
                let (_, receipt) = work.start().expect("nothing is being given back");
                self.workers.push(UnderWay { partition, generation, offset, receipt });
            }
            Delivered::Behind => {
                self.assignments.restart("t", partition as i32, None);
                log.position = Some(offset);
            }
            Delivered::Elsewhere => return Err(TestCaseError::fail(format!("{offset} has no ledger"))),
        }
        Ok(())
    }

    /// Every report of an epoch that has ended is refused, and of the others each is accepted (I5).
    fn reports(&mut self) -> Result<(), TestCaseError> {
        let mut reports = Vec::new();
        self.inbox.take(&mut reports);
        for report in reports {
            let current = self.assignments.held.iter().any(|held| held.assignment.epoch == report.epoch);
            prop_assert_eq!(self.assignments.settle(report), current);
            prop_assert!(!self.assignments.settle(report), "the same report again changes nothing");
        }
        Ok(())
    }

    fn commit(&mut self) {
        if self.sent.is_none() {
            self.sent = Some(self.assignments.commit(Instant::now()));
        }
    }

    fn answer(&mut self, stored: bool, told: bool) {
        let Some(sent) = self.sent.take() else { return };
        if stored {
            for due in &sent {
                self.logs[due.partition as usize].committed = Some((due.offset, due.account.clone()));
            }
        }
        if stored && told {
            self.assignments.committed(&sent);
        } else {
            self.assignments.not_committed();
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let (mut records, mut bytes) = (0, 0);
        for held in &self.assignments.held {
            records += held.ledger.unpassed();
            bytes += held.ledger.unpassed_bytes();
            prop_assert_eq!(held.ledger.unaccounted(), 0, "I8 in memory");
        }
        prop_assert_eq!(self.assignments.budget.charged(), (records, bytes), "what is charged is what is open");
        prop_assert!(records <= LIMITS.records && bytes < LIMITS.bytes + BYTES, "I6");
        for log in &self.logs {
            let Some((offset, account)) = &log.committed else { continue };
            if account.topic_id != Some(log.id()) {
                // The next owner finds out and begins anew.
                continue;
            }
            let counted: Vec<i64> = log.between(account.from, *offset).collect();
            prop_assert!(counted.iter().all(|offset| log.durable.contains(offset)), "I1: {:?}", log);
            prop_assert_eq!(account.total(), counted.len() as u64, "I8 in the commit: {:?}", log);
            let read = Account::decode(account.encode().as_bytes(), *offset);
            prop_assert_eq!(read.as_ref(), Some(account), "what is committed can be read");
        }
        Ok(())
    }
}

fn record(partition: usize, offset: i64) -> Record {
    Record {
        topic: "t".into(),
        partition: partition as i32,
        offset,
        timestamp_ms: None,
        key: None,
        value: Some(vec![0; BYTES]),
        headers: Headers::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_keeps_the_invariants(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.take(step)?;
            world.check()?;
        }
        // Everything is given back: nothing stays charged, whatever is still under way.
        for partition in 0..PARTITIONS {
            world.assignments.remove(&name(partition));
        }
        prop_assert_eq!(world.assignments.budget.charged(), (0, 0));
        for UnderWay { receipt, .. } in world.workers.drain(..) {
            receipt.settle(Outcome::Written);
        }
        world.reports()?;
        prop_assert_eq!(world.assignments.budget.charged(), (0, 0), "late settlements refund nothing");
    }

    /// What ends well ends at the end: after any interleaving, a quiet group has everything durable and committed.
    #[test]
    fn a_quiet_group_ends_at_the_end(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.take(step)?;
        }
        world.workers.clear();
        for partition in 0..PARTITIONS {
            world.take(Step::Revoke { partition, lost: true })?;
        }
        for partition in 0..PARTITIONS {
            world.take(Step::Assign(partition))?;
            while world.logs[partition].between(world.logs[partition].position.unwrap_or(0), i64::MAX).next().is_some() {
                world.take(Step::Deliver(partition))?;
                world.take(Step::Settle(0, 0))?;
            }
            world.take(Step::End(partition))?;
        }
        world.take(Step::Commit)?;
        world.take(Step::Answer { stored: true, told: true })?;
        world.check()?;
        for log in &world.logs {
            let committed = log.committed.as_ref().map(|(offset, _)| *offset);
            prop_assert_eq!(committed, Some(log.end));
        }
        prop_assert_eq!(world.assignments.budget.charged(), (0, 0));
    }
}
