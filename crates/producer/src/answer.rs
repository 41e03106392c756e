//! Whether an answer is what was asked for. The API breaks its word silently; what it did not say is never a success.

use schema::api::{Page, PageError, parse_page};

use crate::cursor::Place;

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// A web page, as a proxy or an overloaded server sends it.
    #[error("the answer is HTML, not JSON")]
    Html,
    /// No page at all, or the API's own error.
    #[error(transparent)]
    Unreadable(#[from] PageError),
    /// Another number of users than asked for.
    #[error("{answered} users were answered where {asked} were asked for")]
    Count {
        /// Asked for.
        asked: u32,
        /// In the answer.
        answered: usize,
    },
    /// `info` tells of another number of users.
    #[error("the answer says it holds {told} users where {asked} were asked for")]
    ToldCount {
        /// Asked for.
        asked: u32,
        /// What `info.results` says.
        told: u64,
    },
    /// The users of another seed.
    #[error("the answer is of another seed")]
    Seed,
    /// The users of another page.
    #[error("page {told} was answered where page {asked} was asked for")]
    Page {
        /// Asked for.
        asked: u32,
        /// What `info.page` says.
        told: u64,
    },
}

impl AnswerError {
    /// The label of the metric.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Html | Self::Unreadable(PageError::NotJson { .. }) => "not_json",
            Self::Unreadable(PageError::Api { .. }) => "api_error",
            Self::Unreadable(PageError::Shape { .. })
            | Self::Count { .. }
            | Self::ToldCount { .. }
            | Self::Seed
            | Self::Page { .. } => "contract_violation",
        }
    }
}

/// Reads `body` as the page `place` of `users` users.
///
/// # Errors
/// Whatever makes it another answer than that.
pub fn read(body: &[u8], place: &Place, users: u32) -> Result<Page, AnswerError> {
    if body.trim_ascii_start().starts_with(b"<") {
        return Err(AnswerError::Html);
    }
    let page = parse_page(body)?;
    if u32::try_from(page.users.len()) != Ok(users) {
        return Err(AnswerError::Count { asked: users, answered: page.users.len() });
    }
    if page.info.results != u64::from(users) {
        return Err(AnswerError::ToldCount { asked: users, told: page.info.results });
    }
    if page.info.seed != *place.seed {
        return Err(AnswerError::Seed);
    }
    if page.info.page != u64::from(place.page) {
        return Err(AnswerError::Page { asked: place.page, told: page.info.page });
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> Result<usize, AnswerError> {
        let place = Place { seed: "abc".into(), page: 7 };
        read(body.as_bytes(), &place, 2).map(|page| page.users.len())
    }

    fn answer(users: &str, seed: &str, results: u32, page: u32) -> Result<usize, AnswerError> {
        of(&format!(
            r#"{{"results":[{users}],"info":{{"seed":"{seed}","results":{results},"page":{page},"version":"1.4"}}}}"#
        ))
    }

    #[test]
    fn what_was_asked_for_is_an_answer() {
        assert_eq!(answer("{},{}", "abc", 2, 7), Ok(2));
    }

    #[test]
    fn fewer_more_or_no_users_break_the_contract() {
        for (users, answered) in [("", 0), ("{}", 1), ("{},{},{}", 3)] {
            assert_eq!(answer(users, "abc", 2, 7), Err(AnswerError::Count { asked: 2, answered }));
        }
        assert_eq!(answer("{},{}", "abc", 1, 7), Err(AnswerError::ToldCount { asked: 2, told: 1 }));
    }

    #[test]
    fn another_seed_or_page_breaks_the_contract() {
        assert_eq!(answer("{},{}", "abcd", 2, 7), Err(AnswerError::Seed));
        assert_eq!(answer("{},{}", "abc", 2, 1), Err(AnswerError::Page { asked: 7, told: 1 }));
    }

    #[test]
    fn html_truncated_json_and_errors_of_the_api_are_no_answers() {
        assert_eq!(of("\n <!DOCTYPE html><html></html>"), Err(AnswerError::Html));
        for (body, kind) in [
            ("<html>", "not_json"),
            ("", "not_json"),
            (r#"{"results":[{},{"#, "not_json"),
            (r#"{"error": "Uh oh, something has gone wrong."}"#, "api_error"),
            (r#"{"results":[{},{}]}"#, "contract_violation"),
            ("[]", "contract_violation"),
        ] {
            assert_eq!(of(body).map_err(|error| error.kind()), Err(kind), "{body}");
        }
    }
}
