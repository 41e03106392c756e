//! The checks: pure functions of what was found and what was promised. Every one of them is made, whatever the others say.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use uuid::Uuid;

use crate::api::Expected;
use crate::findings::{Findings, Seen, Verdict};
use crate::model::{Model, Promise};

/// Counterexamples that are kept of a check.
const EXAMPLES: usize = 10;

/// One promise, and whether it was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The promise.
    pub name: &'static str,
    /// Whether it was kept.
    pub passed: bool,
    /// How much was looked at, or what is wrong.
    pub detail: String,
    /// Some of the counterexamples.
    pub examples: Vec<String>,
}

impl Check {
    /// Passed where there is no counterexample.
    pub(crate) fn of(name: &'static str, looked_at: String, counterexamples: Vec<String>) -> Self {
        let count = counterexamples.len();
        Self {
            name,
            passed: count == 0,
            detail: if count == 0 { looked_at } else { format!("{count} wrong; {looked_at}") },
            examples: counterexamples.into_iter().take(EXAMPLES).collect(),
        }
    }
}

/// Every record that Kafka acknowledged to the publisher is on the topic, and is what was promised.
pub(crate) fn published(findings: &Findings, model: &Model) -> Check {
    let mut at = BTreeMap::new();
    let mut newest: BTreeMap<Uuid, i64> = BTreeMap::new();
    for record in &findings.records {
        at.insert((record.partition, record.offset), &record.verdict);
        if let Verdict::Row { id, version, .. } = record.verdict {
            let known = newest.entry(id).or_insert(version);
            *known = version.max(*known);
        }
    }
    let mut wrong = Vec::new();
    for stored in &model.stored {
        let Some(offset) = stored.offset else { continue };
        let place = format!("{}/{}/{offset}", findings.topic, stored.partition);
        match (at.get(&(stored.partition, offset)), &stored.promise) {
            (None, promise) => wrong.push(format!("{place} is missing: {promise:?}")),
            (Some(Verdict::Row { id: found, version: of, .. }), Promise::Row { id, version })
                if found == id && of == version => {}
            (Some(Verdict::Poison), Promise::Poison) => {}
            (Some(found), promise) => wrong.push(format!("{place} is {found:?}, not {promise:?}")),
        }
    }
    for (id, version) in &model.newest {
        if newest.get(id) != Some(version) {
            wrong.push(format!("the newest version of {id} on the topic is {:?}, not {version}", newest.get(id)));
        }
    }
    Check::of("every acknowledged record is on user_data", format!("{} records", model.stored.len()), wrong)
}

/// Every user of the pages before the producer's durable place was published, or dead-lettered, once, or as often as all others of
/// the page and under one version: a page whose end a broker has skipped is published again, whole. Nobody of a later page was.
/// `expected` holds the users of those pages.
pub(crate) fn users(findings: &Findings, expected: &[Expected], seed: &str) -> Check {
    let mut wrong = Vec::new();
    match &findings.place {
        None => wrong.push("the cursor topic holds no place".to_owned()),
        Some(place) if place.seed != seed => wrong.push(format!("the place is of seed {}, not {seed}", place.seed)),
        Some(_) => {}
    }
    let mut published: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for record in &findings.records {
        if let Some(source) = of_users(record.source.as_deref()).filter(|_| record.replay.is_none()) {
            published.entry(source).or_default().push(record);
        }
    }
    let mut dead: BTreeMap<&str, usize> = BTreeMap::new();
    for source in findings.letters.iter().filter_map(|letter| letter.of_user.as_deref()) {
        *dead.entry(source).or_default() += 1;
    }
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for user in expected {
        let records = published.remove(user.source.as_str()).unwrap_or_default();
        let letters: usize = dead.remove(user.source.as_str()).unwrap_or_default();
        let page = user.source.rsplit_once('/').map_or(user.source.as_str(), |(page, _)| page);
        let found = records.len().max(letters);
        let of_page = *times.entry(page).or_insert(found.max(1));
        let places = if user.is_hostile { (0, of_page) } else { (of_page, 0) };
        if (records.len(), letters) != places {
            wrong.push(format!(
                "{}: {} records and {letters} dead letters, not {places:?}",
                user.source,
                records.len()
            ));
        }
        let mut versions = BTreeSet::new();
        for record in records {
            let key = match record.verdict {
                Verdict::Row { id, version, .. } => {
                    versions.insert(version);
                    Some(id.to_string())
                }
                Verdict::Poison => None,
            };
            if key.as_ref() != Some(&user.id) {
                wrong.push(format!("{} is of key {key:?}, not {}", user.source, user.id));
            }
        }
        if versions.len() > 1 {
            wrong.push(format!("{} has the versions {versions:?}", user.source));
        }
    }
    wrong.extend(published.keys().map(|source| format!("{source} is on user_data and beyond the cursor")));
    wrong.extend(dead.keys().map(|source| format!("{source} is a dead letter and beyond the cursor")));
    Check::of(
        "every fetched user is published or dead-lettered once, or again with the whole page",
        format!("{} users, {} pages again", expected.len(), times.values().filter(|times| **times > 1).count()),
        wrong,
    )
}

fn of_users(source: Option<&str>) -> Option<&str> {
    source.filter(|source| source.starts_with("randomuser:"))
}

/// Every good record is a row of its key's newest version with the right values, and nothing else is in the table.
pub(crate) fn rows(findings: &Findings) -> Check {
    let mut newest: BTreeMap<Uuid, (i64, BTreeSet<u64>)> = BTreeMap::new();
    for record in &findings.records {
        let Verdict::Row { id, version, digest } = record.verdict else { continue };
        let known = newest.entry(id).or_default();
        if version > known.0 {
            *known = (version, BTreeSet::new());
        }
        if version == known.0 {
            // Records of one version differ at most in the coordinates that are their source.
            known.1.insert(digest);
        }
    }
    let mut wrong = Vec::new();
    for (id, (version, digests)) in &newest {
        match findings.rows.get(id) {
            None => wrong.push(format!("{id} has no row; its newest version is {version}")),
            Some(row) if row.version != *version => {
                wrong.push(format!("{id} is of version {}, not {version}", row.version));
            }
            Some(row) if !digests.contains(&row.digest) => {
                wrong.push(format!("{id} of version {version} has other values than its record"));
            }
            Some(_) => {}
        }
    }
    let unexpected = findings.rows.keys().filter(|id| !newest.contains_key(id));
    wrong.extend(unexpected.map(|id| format!("{id} is a row and on no topic")));
    Check::of("every good record is a row of its newest version", format!("{} rows", findings.rows.len()), wrong)
}

/// Every poison record has its dead letter, and nothing else has one.
pub(crate) fn dead_letters(findings: &Findings, model: &Model) -> Check {
    let expected = findings.poison_ids();
    let found: BTreeSet<&str> = findings
        .letters
        .iter()
        .filter(|letter| letter.of_user.is_none())
        .map(|letter| letter.id.as_str())
        .filter(|id| !model.planted.contains(*id))
        .collect();
    let mut wrong: Vec<String> = expected
        .iter()
        .filter(|id| !found.contains(id.as_str()))
        .map(|id| format!("{id} is poison and has no dead letter"))
        .collect();
    let unexpected = found.iter().filter(|id| !expected.contains(**id));
    wrong.extend(unexpected.map(|id| format!("{id} is a dead letter and no poison")));
    Check::of("every poison record is dead-lettered, and nothing else", format!("{} dead letters", found.len()), wrong)
}

/// The group has committed one past the last offset of every partition.
pub(crate) fn committed(findings: &Findings) -> Check {
    let behind = findings.ends.iter().filter(|(partition, end)| {
        // A partition that never held anything needs no commit.
        **end > 0 && findings.committed.get(partition) != Some(end)
    });
    let wrong = behind.map(|(partition, end)| {
        format!("partition {partition}: committed {:?}, end {end}", findings.committed.get(partition))
    });
    Check::of("committed equals the end", format!("{} partitions", findings.ends.len()), wrong.collect())
}

/// Dead letters that are on the DLQ more than once: told again by a processor whose predecessor was killed before its commit.
pub(crate) fn repeated_letters(findings: &Findings) -> u64 {
    let distinct: BTreeSet<&str> = findings.letters.iter().map(|letter| letter.id.as_str()).collect();
    (findings.letters.len() - distinct.len()) as u64
}

#[cfg(test)]
mod tests;
