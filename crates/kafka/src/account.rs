//! What became of the records of a partition below the committed offset (I8).
//!
//! It travels in the metadata of the offset commit, so counts and offset survive a crash together or not at all. Whoever takes
//! the partition over goes on counting from there.

use serde::Deserialize;

use crate::ledger::Settled;

/// The version of the text form.
const VERSION: u32 = 1;
/// Bytes of text that are looked at; the broker keeps 4096 (`offset.metadata.max.bytes`), and ours are below 200.
const LONGEST: usize = 4096;
/// Bytes of a topic id: 16 in base64, with room for another form.
const LONGEST_ID: usize = 64;

/// See the module's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Id of the topic that was counted (KIP-516), as Kafka's tools print it; none where the broker has no ids.
    pub topic_id: Option<String>,
    /// Offset from which on records were counted.
    pub from: i64,
    /// Rows acknowledged.
    pub written: u64,
    /// Dead letters acknowledged.
    pub dead_lettered: u64,
    /// Left out with a reason.
    pub skipped: u64,
}

#[derive(Deserialize)]
struct Text {
    v: u32,
    topic_id: Option<String>,
    from: i64,
    written: u64,
    dead_lettered: u64,
    skipped: u64,
}

impl Account {
    /// Nothing counted yet.
    pub fn fresh(topic_id: Option<String>, from: i64) -> Self {
        Self { topic_id, from, written: 0, dead_lettered: 0, skipped: 0 }
    }

    /// All outcomes together.
    pub fn total(&self) -> u64 {
        self.settled().total()
    }

    pub(crate) fn settled(&self) -> Settled {
        Settled { written: self.written, dead_lettered: self.dead_lettered, skipped: self.skipped }
    }

    /// JSON on one line, below 200 bytes.
    pub fn encode(&self) -> String {
        let Self { topic_id, from, written, dead_lettered, skipped } = self;
        let id = topic_id.as_ref().map_or_else(String::new, |id| format!("\"topic_id\":{},", serde_json::json!(id)));
        format!(
            "{{\"v\":{VERSION},{id}\"from\":{from},\"written\":{written},\"dead_lettered\":{dead_lettered},\"skipped\":{skipped}}}"
        )
    }

    /// The account that belongs to a commit of `offset`; none where the metadata is somebody else's, of another version, or
    /// counts more records than there are offsets.
    pub fn decode(metadata: &[u8], offset: i64) -> Option<Self> {
        if metadata.len() > LONGEST {
            return None;
        }
        let Text { v, topic_id, from, written, dead_lettered, skipped } = serde_json::from_slice(metadata).ok()?;
        let offsets = u64::try_from(offset.checked_sub(from)?).ok()?;
        let total = written.checked_add(dead_lettered)?.checked_add(skipped)?;
        let sound = v == VERSION
            && from >= 0
            && total <= offsets
            && topic_id.as_ref().is_none_or(|id| (1..=LONGEST_ID).contains(&id.len()));
        sound.then_some(Self { topic_id, from, written, dead_lettered, skipped })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_account_reads_as_json() {
        let account =
            Account { topic_id: Some("x-Y_zAAAQbKq".to_owned()), from: 7, written: 5, dead_lettered: 2, skipped: 1 };
        let text = account.encode();
        assert_eq!(text, r#"{"v":1,"topic_id":"x-Y_zAAAQbKq","from":7,"written":5,"dead_lettered":2,"skipped":1}"#);
        assert_eq!(Account::decode(text.as_bytes(), 15), Some(account));
    }

    #[test]
    fn what_is_not_ours_is_no_account() {
        let of = |text: &str| Account::decode(text.as_bytes(), 100);
        let ours = Account::fresh(None, 3).encode();
        assert_eq!(of(&ours), Some(Account::fresh(None, 3)));
        assert_eq!(of(""), None, "a reset by Kafka's own tool leaves it empty");
        assert_eq!(of("consumer-1 at noon"), None);
        assert_eq!(of(&ours.replace("\"v\":1", "\"v\":2")), None);
        assert_eq!(of(&ours.replace("\"from\":3", "\"from\":-3")), None);
        assert_eq!(of(&ours.replace("\"from\":3", "\"from\":101")), None, "behind the commit");
        assert_eq!(of(&ours.replace("\"written\":0", "\"written\":98")), None, "more than there are offsets");
        assert_eq!(of(&ours.replace("\"written\":0", &format!("\"written\":{}", u64::MAX))), None);
        assert_eq!(of(&(ours + &" ".repeat(LONGEST))), None);
    }

    proptest! {
        #[test]
        fn every_account_survives_its_text(
            topic_id in prop::option::of("[A-Za-z0-9_-]{1,22}"),
            from in 0..i64::MAX / 2,
            counts in prop::array::uniform3(0u64..1 << 40),
            markers in 0i64..1 << 20,
        ) {
            let [written, dead_lettered, skipped] = counts;
            let account = Account { topic_id, from, written, dead_lettered, skipped };
            let text = account.encode();
            prop_assert!(text.len() < 200);
            prop_assert_eq!(Account::decode(text.as_bytes(), from + account.total() as i64 + markers), Some(account));
        }

        #[test]
        fn no_metadata_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), offset in any::<i64>()) {
            Account::decode(&bytes, offset);
        }

        #[test]
        fn no_numbers_panic(numbers in prop::array::uniform3(any::<u64>()), from in any::<i64>(), offset in any::<i64>()) {
            let [written, dead_lettered, skipped] = numbers;
            let account = Account { topic_id: None, from, written, dead_lettered, skipped };
            Account::decode(account.encode().as_bytes(), offset);
        }
    }
}
