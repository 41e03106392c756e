//! The producer's record on the cursor topic: its place in the API, kept by its name.

use std::sync::Arc;

use schema::record::{Headers, NewRecord, Record};
use schema::version::VersionMicros;
use serde::{Deserialize, Serialize};

use crate::cursor::{LAST_PAGE, Place};

/// Where a producer stands. Its key is the producer's name; a null in its place withdraws it.
///
/// `{"seed":"abc","page":7,"version_us":1790000000000000}`, and what only a producer needs: `api_seed` and `owner`. A bookmark
/// that a person wrote by hand may lack all but seed and page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bookmark {
    /// The seed of the next page.
    pub seed: String,
    /// The next page to fetch: everything before it is published.
    pub page: u32,
    /// The last version that was handed out, microseconds.
    #[serde(default)]
    pub version_us: i64,
    /// The `API_SEED` that led here: another one than `seed` once its pages are used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_seed: Option<String>,
    /// The process that wrote it: one process has one, two of one name tell each other apart by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// A record under the producer's name that is no bookmark. Nothing is published past it: where the producer stands is not
/// known, and a guess would publish pages twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the place at {topic}/{partition}/{offset} cannot be read: {problem}")]
pub struct Unreadable {
    topic: String,
    partition: i32,
    offset: i64,
    problem: String,
}

impl Bookmark {
    /// Reads the record under a producer's name; none where it was withdrawn.
    ///
    /// # Errors
    /// It is no bookmark.
    pub fn of(record: &Record) -> Result<Option<Self>, Unreadable> {
        let Some(value) = &record.value else { return Ok(None) };
        let unreadable = |problem: String| Unreadable {
            topic: record.topic.to_string(),
            partition: record.partition,
            offset: record.offset,
            problem,
        };
        let bookmark: Self = serde_json::from_slice(value).map_err(|error| unreadable(error.to_string()))?;
        if bookmark.seed.is_empty() {
            return Err(unreadable("its seed is empty".to_owned()));
        }
        if !(1..=LAST_PAGE).contains(&bookmark.page) {
            return Err(unreadable(format!("its page is not within 1 and {LAST_PAGE}")));
        }
        if bookmark.version_us < 0 {
            return Err(unreadable("its version is negative".to_owned()));
        }
        Ok(Some(bookmark))
    }

    /// True where the record is a bookmark that the process `owner` wrote; a record that is no bookmark is nobody's.
    pub fn is_of(record: &Record, owner: &str) -> bool {
        matches!(Self::of(record), Ok(Some(Self { owner: Some(found), .. })) if found == owner)
    }

    /// The bookmark as the record of the producer `name`.
    pub fn record(&self, topic: &Arc<str>, name: &str) -> NewRecord {
        NewRecord {
            topic: Arc::clone(topic),
            partition: None,
            timestamp_ms: None,
            key: Some(name.as_bytes().to_vec()),
            // Texts and numbers only: nothing that JSON cannot hold.
            value: serde_json::to_vec(self).ok(),
            headers: Headers::new(),
        }
    }

    /// The page to fetch next.
    pub fn place(&self) -> Place {
        Place { seed: self.seed.as_str().into(), page: self.page }
    }

    /// Whether `place` is the page that came before. Page 1 follows the last page of some other seed, it does not say of which.
    pub fn follows(&self, place: &Place) -> bool {
        if self.page == 1 {
            place.page == LAST_PAGE
        } else {
            *place.seed == *self.seed && place.page.checked_add(1) == Some(self.page)
        }
    }

    /// The last version that was handed out; none where none is known.
    pub fn version(&self) -> Option<VersionMicros> {
        VersionMicros::new(self.version_us).filter(|version| version.get() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(value: Option<&str>) -> Record {
        Record {
            topic: "user_data_cursor".into(),
            partition: 0,
            offset: 5,
            timestamp_ms: Some(0),
            key: Some(b"producer".to_vec()),
            value: value.map(|value| value.as_bytes().to_vec()),
            headers: Headers::new(),
        }
    }

    #[test]
    fn a_bookmark_looks_as_documented_and_comes_back_as_it_was_written() {
        let full = Bookmark {
            seed: "abc".into(),
            page: 7,
            version_us: 1_790_000_000_000_000,
            api_seed: Some("abc".into()),
            owner: Some("me".into()),
        };
        let record = full.record(&"user_data_cursor".into(), "north");
        assert_eq!((&*record.topic, record.key.as_deref()), ("user_data_cursor", Some(b"north".as_slice())));
        let value = String::from_utf8(record.value.expect("a value")).expect("text");
        assert_eq!(value, r#"{"seed":"abc","page":7,"version_us":1790000000000000,"api_seed":"abc","owner":"me"}"#);
        assert_eq!(Bookmark::of(&stored(Some(&value))), Ok(Some(full)));
    }

    #[test]
    fn a_bookmark_of_a_person_may_be_short_and_one_of_a_later_version_longer() {
        for text in [r#"{"seed":"abc","page":7}"#, r#"{"seed":"abc","page":7,"colour":"red","version_us":0}"#] {
            let found = Bookmark::of(&stored(Some(text))).expect("readable").expect("a bookmark");
            assert_eq!(found.place(), Place { seed: "abc".into(), page: 7 });
            assert_eq!((found.version(), found.owner), (None, None));
        }
        assert_eq!(Bookmark::of(&stored(None)), Ok(None));
    }

    #[test]
    fn a_bookmark_follows_the_page_before_it_and_page_1_the_last_of_another_seed() {
        let at = |seed: &str, page| Place { seed: seed.into(), page };
        let bookmark = |page| {
            let text = format!(r#"{{"seed":"abc","page":{page}}}"#);
            Bookmark::of(&stored(Some(&text))).expect("readable").expect("a bookmark")
        };
        assert!(bookmark(7).follows(&at("abc", 6)));
        for other in [at("abc", 5), at("abc", 7), at("abcd", 6), at("abc", u32::MAX)] {
            assert!(!bookmark(7).follows(&other), "{other:?}");
        }
        assert!(bookmark(1).follows(&at("xyz", LAST_PAGE)));
        assert!(!bookmark(1).follows(&at("abc", 1)));
    }

    #[test]
    fn a_bookmark_is_of_the_process_that_wrote_it_and_anything_else_is_nobodys() {
        let of_me = |value| Bookmark::is_of(&stored(value), "me");
        assert!(of_me(Some(r#"{"seed":"abc","page":7,"owner":"me"}"#)));
        for other in [r#"{"seed":"abc","page":7,"owner":"another"}"#, r#"{"seed":"abc","page":7}"#, "not JSON"] {
            assert!(!of_me(Some(other)), "{other}");
        }
        assert!(!of_me(None));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_never_taken_for_nothing() {
        for text in [
            "",
            "not JSON",
            "{}",
            r#"{"seed":"abc"}"#,
            r#"{"seed":"","page":1}"#,
            r#"{"seed":"abc","page":0}"#,
            r#"{"seed":"abc","page":10001}"#,
            r#"{"seed":"abc","page":"7"}"#,
            r#"{"seed":"abc","page":7,"version_us":-1}"#,
        ] {
            let error = Bookmark::of(&stored(Some(text))).expect_err(text);
            assert!(error.to_string().contains("user_data_cursor/0/5"), "{error}");
        }
    }
}
