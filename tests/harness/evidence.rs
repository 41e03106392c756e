//! What a failed test leaves behind: a folder that its failure names. A test that passes leaves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use schema::headers;

use crate::census::key_of;
use crate::running::services_log;
use crate::stack::{stack, target};
use crate::world::World;

/// The end of a log is kept, so much of it.
const LOG_BYTES: u64 = 4 << 20;
/// Folders of failed tests that are kept; older ones are removed.
const FOLDERS: usize = 20;

/// Collects while the test runs; dropped while the test fails, it is completed and kept.
pub(crate) struct Evidence {
    folder: PathBuf,
    settings: BTreeMap<String, String>,
    /// Logs that all tests share, with their length when this test began.
    shared: Vec<(PathBuf, u64)>,
    processes: AtomicU32,
}

impl Evidence {
    /// For the test that runs on this thread, or else for the world `name`.
    pub(crate) fn begin(name: &str, settings: &BTreeMap<String, String>) -> Self {
        let thread = std::thread::current();
        let test = thread.name().filter(|test| *test != "main").unwrap_or(name).replace("::", ".");
        let all = target().with_file_name("evidence");
        remove_oldest(&all);
        let folder = all.join(format!("{test}-{}-{name}", chrono::Utc::now().format("%Y%m%dT%H%M%S%.3f")));
        std::fs::create_dir_all(&folder).expect("a folder for the evidence");
        let logs = [stack().kafka().log().to_owned(), stack().cassandra().log().to_owned(), services_log().to_owned()];
        let shared = logs.map(|log| (log.clone(), std::fs::metadata(&log).map_or(0, |log| log.len()))).into();
        Self { folder, settings: settings.clone(), shared, processes: AtomicU32::new(0) }
    }

    /// Where the next process of this name writes what it prints.
    pub(crate) fn log_of(&self, process: &str) -> PathBuf {
        let number = self.processes.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{number:02}-{process}.log"))
    }

    fn complete(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.folder)? {
            keep_end(&entry?.path())?;
        }
        for (log, begin) in &self.shared {
            if let Some(name) = log.file_name() {
                copy_end(log, *begin, &self.folder.join(name))?;
            }
        }
        let write = |name: &str, text: &str| std::fs::write(self.folder.join(name), text);
        let settings: String = self.settings.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        write("settings.env", &settings)?;
        // On a thread and a runtime of its own: this one is unwinding. Servers that are away make it panic, too.
        let settings = self.settings.clone();
        let looked = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let world = World::looking_at(settings);
            runtime.block_on(async { (offsets(&world).await, places(&world).await) })
        });
        let unknown = || "the servers did not answer\n".to_owned();
        let (offsets, places) = looked.join().unwrap_or_else(|_| (unknown(), unknown()));
        write("offsets.txt", &offsets)?;
        write("places.txt", &places)
    }
}

impl Drop for Evidence {
    #[expect(clippy::print_stderr, reason = "the test harness shows what a failed test prints")]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // A folder that cannot be removed is no failure of the test; the oldest go in the end.
            drop(std::fs::remove_dir_all(&self.folder));
            return;
        }
        let complete = self.complete();
        eprintln!("evidence: {}", self.folder.display());
        if let Err(error) = complete {
            eprintln!("the evidence is not complete: {error}");
        }
    }
}

async fn offsets(world: &World) -> String {
    let (admin, kafka) = (world.admin(), world.kafka());
    let mut text = "topic partition begin end committed\n".to_owned();
    for topic in [&kafka.topics.user_data, &kafka.topics.dlq, &kafka.topics.parked] {
        let committed = admin.committed(&kafka.group_id, topic).await.unwrap_or_default();
        match admin.offsets(topic).await {
            Ok(Some(offsets)) => {
                for (partition, (begin, end)) in offsets {
                    let committed = committed.get(&partition).map_or("-".to_owned(), i64::to_string);
                    let _ = writeln!(text, "{topic} {partition} {begin} {end} {committed}");
                }
            }
            Ok(None) => text += &format!("{topic} does not exist\n"),
            Err(error) => text += &format!("{topic}: {error}\n"),
        }
    }
    text
}

/// Keys that are nowhere, in two places, or in the table without ever having been on the topic.
async fn places(world: &World) -> String {
    let records = world.user_data().await;
    let census = world.census().await;
    let published: BTreeSet<String> = records.iter().map(key_of).collect();
    let at: BTreeMap<String, String> =
        records.iter().map(|record| (key_of(record), format!("{}/{}", record.partition, record.offset))).collect();
    let mut text = format!(
        "{} records with {} keys, {} rows, {} keys dead-lettered, {} parked\n",
        records.len(),
        published.len(),
        census.table.len(),
        census.dead.len(),
        census.parked.len()
    );
    for (key, at) in &at {
        let places = [census.table.contains(key), census.dead.contains_key(key), census.parked.contains(key)];
        match places.iter().filter(|here| **here).count() {
            0 => text += &format!("nowhere: {key} at {at}\n"),
            1 => {}
            _ => text += &format!("in more than one place: {key} at {at}\n"),
        }
    }
    for key in census.table.difference(&published) {
        text += &format!("a row that is not on the topic: {key}\n");
    }
    for letter in world.dead_letters().await {
        let id = letter.headers.text(headers::DLQ_ID).unwrap_or("no dlq.id").to_owned();
        let reason = letter.headers.text(headers::DLQ_REASON).unwrap_or("no dlq.reason").to_owned();
        text += &format!("dead letter: {id} {} {reason}\n", key_of(&letter));
    }
    text
}

fn copy_end(from: &Path, begin: u64, to: &Path) -> io::Result<()> {
    let mut log = File::open(from)?;
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(begin.max(length.saturating_sub(LOG_BYTES))))?;
    io::copy(&mut log.take(LOG_BYTES), &mut File::create(to)?).map(drop)
}

fn keep_end(log: &Path) -> io::Result<()> {
    if std::fs::metadata(log)?.len() <= LOG_BYTES {
        return Ok(());
    }
    let whole = log.with_extension("whole");
    std::fs::rename(log, &whole)?;
    copy_end(&whole, 0, log)?;
    std::fs::remove_file(&whole)
}

fn remove_oldest(all: &Path) {
    let Ok(entries) = std::fs::read_dir(all) else { return };
    let made = |path: &PathBuf| std::fs::metadata(path).and_then(|folder| folder.modified()).ok();
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort_by_key(made);
    let surplus = folders.len().saturating_sub(FOLDERS);
    for oldest in folders.iter().take(surplus) {
        // Another test may remove it at the same time.
        drop(std::fs::remove_dir_all(oldest));
    }
}
