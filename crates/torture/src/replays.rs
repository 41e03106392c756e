//! The checks on replays (I7): pure functions of what was found.

use std::collections::{BTreeMap, BTreeSet};

use dlq_replayer::disposition::State;

use crate::census::Check;
use crate::findings::{Findings, Replay, Verdict};

/// No job has replayed a dead letter twice, and no record was replayed more often than the cap allows.
pub(crate) fn at_most_once(findings: &Findings, cap: u32) -> Check {
    let mut taken = BTreeSet::new();
    let mut wrong = Vec::new();
    let replays: Vec<&Replay> = findings.records.iter().filter_map(|record| record.replay.as_ref()).collect();
    for Replay { of, job, count } in &replays {
        if !taken.insert((job, of)) {
            wrong.push(format!("job {job} has replayed {of} twice"));
        }
        if *count > cap {
            wrong.push(format!("{of} was replayed {count} times, the cap is {cap}"));
        }
    }
    Check::of("no job replays a dead letter twice, nor beyond the cap", format!("{} replays", replays.len()), wrong)
}

/// Replayed records and the ledger's entries about them are the same set, and each ended as the ledger says.
pub(crate) fn accounted(findings: &Findings) -> Check {
    let mut records = BTreeMap::new();
    for record in &findings.records {
        if let Some(replay) = &record.replay {
            records.insert((replay.of.as_str(), replay.job.as_str()), &record.verdict);
        }
    }
    // The last entry of a job about a letter is its word on it.
    let mut entries = BTreeMap::new();
    for entry in &findings.disposed {
        if let Some(job) = &entry.job {
            entries.insert((entry.id.as_str(), job.as_str()), entry.state);
        }
    }
    let mut wrong = Vec::new();
    for ((of, job), verdict) in &records {
        let ended = entries.get(&(*of, *job)).copied();
        let fits = match ended {
            Some("replayed") => true,
            Some("confirmed") => matches!(verdict, Verdict::Row { .. }),
            Some("boomeranged") => matches!(verdict, Verdict::Poison),
            Some(_) | None => false,
        };
        if !fits {
            wrong.push(format!("{of}, replayed by {job}, is {ended:?} in the ledger and {verdict:?} on the topic"));
        }
    }
    let vanished = entries.keys().filter(|entry| !records.contains_key(entry));
    wrong.extend(vanished.map(|(of, job)| format!("{of}, replayed by {job} as the ledger says, is on no topic")));
    Check::of("every replay is in the ledger as it ended", format!("{} replays", records.len()), wrong)
}

/// What the ledger calls parked is on the parked topic, and nothing else is.
pub(crate) fn parked(findings: &Findings) -> Check {
    let told: BTreeSet<&str> = findings
        .disposed
        .iter()
        .filter(|entry| entry.state == State::Parked.as_str())
        .map(|entry| entry.id.as_str())
        .collect();
    let found: BTreeSet<&str> = findings.parked.iter().map(String::as_str).collect();
    let mut wrong: Vec<String> =
        told.difference(&found).map(|id| format!("{id} is parked as the ledger says, and not on the topic")).collect();
    wrong.extend(found.difference(&told).map(|id| format!("{id} is on the parked topic, and not in the ledger")));
    Check::of("what is parked is on the parked topic", format!("{} parked", found.len()), wrong)
}

/// Every dead letter has one of the states that a run leads to.
pub(crate) fn states(findings: &Findings) -> Check {
    let census = findings.states();
    let distinct: BTreeSet<&str> = findings.letters.iter().map(|letter| letter.id.as_str()).collect();
    let mut wrong = Vec::new();
    if let Some(unreadable) = findings.book.unreadable() {
        wrong.push(unreadable.to_string());
    }
    if census.total != distinct.len() as u64 {
        wrong.push(format!("the book has {} letters, the topic {}", census.total, distinct.len()));
    }
    if let Some(discarded) = census.by_state.get(&State::Discarded).filter(|count| **count > 0) {
        wrong.push(format!("{discarded} are discarded, and nobody did that"));
    }
    let told: Vec<String> = census.by_state.iter().map(|(state, count)| format!("{count} {state}")).collect();
    Check::of("every dead letter has its state", told.join(", "), wrong)
}

#[cfg(test)]
mod tests {
    use dlq_replayer::letter::Letter;
    use schema::record::{Headers, Record};
    use uuid::Uuid;

    use super::*;
    use crate::findings::{Disposed, LetterSeen, Seen};

    fn replayed(offset: i64, of: &str, job: &str, count: u32, good: bool) -> Seen {
        let row = Verdict::Row { id: Uuid::nil(), version: 1, digest: 1 };
        let verdict = if good { row } else { Verdict::Poison };
        let replay = Some(Replay { of: of.to_owned(), job: job.to_owned(), count });
        Seen { partition: 0, offset, source: None, replay, verdict }
    }

    fn disposed(id: &str, state: &'static str, job: Option<&str>) -> Disposed {
        Disposed { id: id.to_owned(), state, job: job.map(str::to_owned) }
    }

    #[test]
    fn a_letter_that_a_job_took_twice_or_took_too_often_is_found() {
        let with = |records| at_most_once(&Findings { records, ..Findings::default() }, 3).passed;
        assert!(with(vec![replayed(0, "a", "j1", 1, true), replayed(1, "a", "j2", 3, true)]));
        assert!(!with(vec![replayed(0, "a", "j1", 1, true), replayed(1, "a", "j1", 1, true)]));
        assert!(!with(vec![replayed(0, "a", "j1", 4, true)]));
    }

    #[test]
    fn a_replay_that_the_ledger_does_not_tell_as_it_was_is_found() {
        let with = |records, entries: &[Disposed]| {
            accounted(&Findings { records, disposed: entries.to_vec(), ..Findings::default() }).passed
        };
        let good = || vec![replayed(0, "a", "j", 1, true)];
        let poison = || vec![replayed(0, "a", "j", 1, false)];
        assert!(with(good(), &[disposed("a", "replayed", Some("j"))]), "a killed job knows no more");
        assert!(with(good(), &[disposed("a", "replayed", Some("j")), disposed("a", "confirmed", Some("j"))]));
        assert!(with(poison(), &[disposed("a", "boomeranged", Some("j")), disposed("a", "parked", None)]));
        assert!(!with(good(), &[]), "not in the ledger");
        assert!(!with(good(), &[disposed("a", "replayed", Some("k"))]), "of another job");
        assert!(!with(poison(), &[disposed("a", "confirmed", Some("j"))]), "not home");
        assert!(!with(good(), &[disposed("a", "boomeranged", Some("j"))]), "home");
        assert!(!with(vec![], &[disposed("a", "replayed", Some("j"))]), "vanished");
    }

    #[test]
    fn what_is_parked_on_one_side_only_is_found() {
        let with = |entries: &[Disposed], on_topic: &[&str]| {
            let parked_ids = on_topic.iter().map(|id| (*id).to_owned()).collect();
            parked(&Findings { disposed: entries.to_vec(), parked: parked_ids, ..Findings::default() }).passed
        };
        assert!(with(&[disposed("a", "parked", None), disposed("b", "confirmed", None)], &["a"]));
        assert!(!with(&[disposed("a", "parked", None)], &[]));
        assert!(!with(&[], &["a"]));
    }

    #[test]
    fn a_letter_that_the_book_does_not_have_is_found() {
        let record = Record {
            topic: "user_data_dlq".into(),
            partition: 0,
            offset: 4,
            timestamp_ms: Some(1),
            key: None,
            value: None,
            headers: Headers::new(),
        };
        let seen = LetterSeen { id: "dlq/0/4".to_owned(), of_user: None, replay: None };
        let mut findings = Findings { letters: vec![seen], ..Findings::default() };
        assert!(!states(&findings).passed);
        findings.book.letter(&Letter::of(record));
        assert!(states(&findings).passed);
    }
}
