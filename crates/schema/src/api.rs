//! The answer of the RandomUser API. Each user is kept raw, so that one broken user never spoils its siblings.

use std::borrow::Cow;

use serde::de::SeqAccess;
use serde_json::value::RawValue;

use crate::json::{self, FromJson, Slot, TextOrNumber, object};

/// One page: what was answered, not yet compared with what was asked.
#[derive(Debug)]
pub struct Page {
    /// The users, each as its own JSON text.
    pub users: Vec<Box<RawValue>>,
    /// What the API says it answered.
    pub info: Info,
}

/// The API's own account of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The seed.
    pub seed: String,
    /// How many users.
    pub results: u64,
    /// The page, from 1.
    pub page: u64,
    /// The API's version, as `1.4`.
    pub version: String,
}

/// Why an answer is no page. None of them holds a value of a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Not JSON: truncated, HTML, empty.
    #[error("{what} at line {line}, column {column}")]
    NotJson {
        /// What is wrong with it.
        what: &'static str,
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1; 0 before the first.
        column: usize,
    },
    /// The API answers with an error of its own.
    #[error("the API answers with an error: {message}")]
    Api {
        /// The API's words, cut to 200 characters.
        message: String,
    },
    /// JSON, but not of the API's shape.
    #[error("the answer lacks {what}")]
    Shape {
        /// What is missing or of wrong type.
        what: &'static str,
    },
}

impl PageError {
    /// The stable label.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotJson { .. } => "not_json",
            Self::Api { .. } => "api_error",
            Self::Shape { .. } => "shape",
        }
    }
}

object! {
    Answer<'a> {
        results: Users = "results",
        info: ApiInfo<'a> = "info",
        error: Cow<'a, str> = "error",
    }
}

object! {
    ApiInfo<'a> {
        seed: TextOrNumber<'a> = "seed",
        results: Count = "results",
        page: Count = "page",
        version: TextOrNumber<'a> = "version",
    }
}

#[derive(Debug)]
pub(crate) struct Users(Vec<Box<RawValue>>);

impl<'de> FromJson<'de> for Users {
    fn array<A: SeqAccess<'de>>(mut seq: A) -> Result<Slot<Self>, A::Error> {
        let mut users = Vec::new();
        while let Some(user) = seq.next_element()? {
            users.push(user);
        }
        Ok(Slot::Value(Self(users)))
    }
}

/// A number, or its digits as text.
#[derive(Debug)]
pub(crate) struct Count(u64);

impl<'de> FromJson<'de> for Count {
    fn text(text: Cow<'de, str>) -> Slot<Self> {
        text.parse().map_or(Slot::WrongType, |count| Slot::Value(Self(count)))
    }
    fn integer(number: i128) -> Slot<Self> {
        u64::try_from(number).map_or(Slot::WrongType, |count| Slot::Value(Self(count)))
    }
}

/// Reads one answer.
///
/// # Errors
///
/// Where the body is not JSON, where it holds an error of the API, and where `results` or a part of `info` is missing.
pub fn parse_page(body: &[u8]) -> Result<Page, PageError> {
    let answer = match serde_json::from_slice::<Slot<Answer<'_>>>(body) {
        Ok(Slot::Value(answer)) => answer,
        Ok(Slot::Absent | Slot::WrongType) => return Err(PageError::Shape { what: "an object" }),
        Err(error) => {
            let (_, what) = json::kind(&error);
            return Err(PageError::NotJson { what, line: error.line(), column: error.column() });
        }
    };
    match answer.error {
        Slot::Absent => {}
        Slot::WrongType => return Err(PageError::Api { message: String::new() }),
        Slot::Value(message) => return Err(PageError::Api { message: message.chars().take(200).collect() }),
    }
    let lacks = |what| PageError::Shape { what };
    let Users(users) = value(answer.results).ok_or(lacks("results"))?;
    let info = value(answer.info).ok_or(lacks("info"))?;
    Ok(Page {
        users,
        info: Info {
            seed: value(info.seed).ok_or(lacks("info.seed"))?.0.into_owned(),
            results: value(info.results).ok_or(lacks("info.results"))?.0,
            page: value(info.page).ok_or(lacks("info.page"))?.0,
            version: value(info.version).ok_or(lacks("info.version"))?.0.into_owned(),
        },
    })
}

fn value<T>(slot: Slot<T>) -> Option<T> {
    match slot {
        Slot::Value(value) => Some(value),
        Slot::Absent | Slot::WrongType => None,
    }
}
