//! The records that failed, fetched for the letters that do not carry them. Many at once, in the order in which they lie: so
//! most of them come by one after the other.

use std::sync::Arc;

use kafka::{KafkaSettings, ReadError, RecordFinder};

use crate::letter::Letter;
use crate::mailroom::CLIENT;

/// Letters that wait, at most.
const WAITING: usize = 1_000;
/// Bytes of them, about, at most.
const BYTES: usize = 4 << 20;

/// Letters with their places in the order in which they were chosen.
pub(crate) type Placed = Vec<(usize, Letter)>;

/// See the module's page.
pub(crate) struct Originals {
    kafka: Arc<KafkaSettings>,
    finder: Option<RecordFinder>,
    waiting: Placed,
    bytes: usize,
}

impl Originals {
    pub(crate) fn new(kafka: Arc<KafkaSettings>) -> Self {
        Self { kafka, finder: None, waiting: Vec::new(), bytes: 0 }
    }

    /// Takes a letter whose record is wanted. True where so many wait that they should be completed.
    pub(crate) fn take(&mut self, place: usize, letter: Letter) -> bool {
        self.bytes += letter.key.as_ref().map_or(0, Vec::len) + letter.value.as_ref().map_or(0, Vec::len);
        self.waiting.push((place, letter));
        self.waiting.len() >= WAITING || self.bytes >= BYTES
    }

    /// Those that wait, each with its record or with the reason why there is none; fewer where `is_enough` says so.
    pub(crate) fn complete(&mut self, is_enough: impl Fn() -> bool) -> Result<Placed, ReadError> {
        let mut letters = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        letters.sort_by(|(_, one), (_, other)| one.wanted().cmp(&other.wanted()));
        for (_, letter) in &mut letters {
            if is_enough() {
                break;
            }
            let Some((topic, partition, offset)) = letter.wanted() else { continue };
            let finder = match &mut self.finder {
                Some(finder) => finder,
                none => none.insert(RecordFinder::open(&self.kafka, CLIENT)?),
            };
            let found = finder.find(topic, partition, offset)?;
            letter.fetched(found);
        }
        letters.sort_by_key(|(place, _)| *place);
        Ok(letters)
    }
}
