//! Looks at the services twice a second: metrics, memory, and whether somebody ended by itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use service::shutdown::Shutdown;
use tokio::time::MissedTickBehavior;

use crate::crew::Crew;
use crate::diary::Diary;
use crate::failure::TortureError;
use crate::fault::Service;
use crate::member::Member;
use crate::sight::{Shown, Sight};

/// How often is looked.
const LOOK: Duration = Duration::from_millis(500);
/// A service that does not answer in this time is halted, or gone.
const ANSWER: Duration = Duration::from_millis(400);

/// See the module's page. Clones share one sight.
#[derive(Clone)]
pub(crate) struct Watch {
    crew: Arc<Crew>,
    diary: Diary,
    http: reqwest::Client,
    sight: Arc<Mutex<Sight>>,
}

impl Watch {
    pub(crate) fn new(crew: Arc<Crew>, diary: Diary) -> Result<Self, TortureError> {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER).build()?;
        Ok(Self { crew, diary, http, sight: Arc::default() })
    }

    /// What was seen so far.
    pub(crate) fn sight<T>(&self, look: impl FnOnce(&mut Sight) -> T) -> T {
        // Samples are entered one by one: a panic elsewhere leaves at worst one out.
        look(&mut self.sight.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks until `stop`.
    pub(crate) async fn follow(self, stop: Shutdown) -> Result<(), TortureError> {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.cuts(tick.tick()).await.is_some() {
            self.look().await?;
        }
        Ok(())
    }

    async fn look(&self) -> Result<(), TortureError> {
        let before = self.sight(|sight| sight.settled());
        for member in self.crew.members() {
            if let Some(status) = member.ended_by_itself() {
                self.diary.ended_by_itself(member.name(), status);
                member.start()?;
            }
            let Some(process) = member.process() else { continue };
            if let Some(bytes) = process.resident_bytes() {
                let life = (member.name().to_owned(), process.pid());
                self.sight(|sight| sight.resident(Instant::now(), life, member.service(), bytes));
            }
        }
        let processors = std::iter::once(&self.crew.processor).chain(&self.crew.extras);
        for processor in processors {
            self.look_at(processor).await;
        }
        self.sight(|sight| sight.round(Instant::now(), before));
        Ok(())
    }

    /// Asks a processor now, where it runs and answers.
    pub(crate) async fn look_at(&self, processor: &Member) {
        let Some(process) = processor.process() else { return };
        let Some(text) = self.get(processor, "metrics").await else { return };
        let shown = shown(&text);
        self.sight(|sight| sight.shown((processor.name().to_owned(), process.pid()), shown));
    }

    /// Records that a processor has read and not committed: what is read again when it is killed now. The processor itself
    /// refreshes this about once a second. None where it does not answer.
    pub(crate) async fn uncommitted(&self, member: &Member) -> Option<u64> {
        if member.service() != Service::Processor {
            return None;
        }
        uncommitted(&serde_json::from_str(&self.get(member, "v1/progress").await?).ok()?)
    }

    async fn get(&self, member: &Member, path: &str) -> Option<String> {
        let url = format!("http://127.0.0.1:{}/{path}", member.port()?);
        // Whoever is halted or starting does not answer: that is seen elsewhere.
        self.http.get(url).send().await.ok()?.text().await.ok()
    }
}

/// Reads the Prometheus text format as far as our own metrics need it.
fn shown(text: &str) -> Shown {
    let sum = |series: &str| {
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(series)?;
            if rest.starts_with(['{', ' ']) { rest.rsplit(' ').next()?.parse::<f64>().ok() } else { None }
        });
        values.sum::<f64>()
    };
    Shown {
        settled: sum("sluice_processor_records_total") as u64,
        unaccounted: sum("sluice_processor_unaccounted_records") as i64,
    }
}

/// From `/v1/progress`: between the commit and the frontier, and open behind it.
fn uncommitted(progress: &Value) -> Option<u64> {
    let partitions = progress.get("partitions")?.as_array()?;
    let of = |partition: &Value| {
        let number = |name: &str| partition.get(name).and_then(Value::as_i64);
        let passed = number("frontier")? - number("committed").unwrap_or(0);
        u64::try_from(passed.max(0) + number("in_flight")?).ok()
    };
    Some(partitions.iter().filter_map(of).sum())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_series_of_one_metric_are_summed_and_no_other_metric_is() {
        let text = "# HELP sluice_processor_records Records settled\n\
            sluice_processor_records_total{outcome=\"written\"} 40\n\
            sluice_processor_records_total{outcome=\"dead_lettered\"} 2\n\
            sluice_processor_records_total_more 7\n\
            sluice_processor_unaccounted_records{topic=\"user_data\",partition=\"3\"} 1\n\
            sluice_processor_unaccounted_records{topic=\"user_data\",partition=\"4\"} 2\n";
        assert_eq!(shown(text), Shown { settled: 42, unaccounted: 3 });
        assert_eq!(shown(""), Shown::default());
    }

    #[test]
    fn what_is_read_again_is_what_lies_behind_the_commit() {
        let progress = json!({"breaker": "closed", "partitions": [
            {"frontier": 10, "committed": 4, "in_flight": 3},
            {"frontier": null, "committed": null, "in_flight": 0},
            {"frontier": 5, "committed": null, "in_flight": 0},
        ]});
        assert_eq!(uncommitted(&progress), Some(14));
        assert_eq!(uncommitted(&json!({})), None);
    }
}
