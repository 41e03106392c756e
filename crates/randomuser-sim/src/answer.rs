//! The JSON of one answer.

use chrono::NaiveDate;

use crate::asked::Asked;
use crate::catalogue::Catalogue;
use crate::hostile::Share;

/// A rendered answer.
#[derive(Debug)]
pub struct Answer {
    /// `{"results":[..],"info":{..}}`
    pub body: Vec<u8>,
    /// Users in `results`.
    pub users: u32,
    /// Those of them that are spoiled.
    pub spoiled: u32,
}

/// Where an answer departs from what was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lie {
    /// So many users, whatever `info.results` says.
    pub users: Option<u32>,
    /// `info.results`, however many users there are.
    pub results: Option<u32>,
}

/// Bytes set aside for one user; a little more than most take.
const USER_BYTES: usize = 1_250;

impl Answer {
    /// Answers what was asked, with the ages of `today`.
    pub fn render(catalogue: &Catalogue, asked: &Asked, lie: Lie, share: &Share, today: NaiveDate) -> Self {
        let users = lie.users.unwrap_or(asked.results);
        let key = asked.key();
        let mut spoiled = 0;
        let mut body = Vec::with_capacity(users as usize * USER_BYTES + 256);
        body.extend_from_slice(br#"{"results":["#);
        for index in 0..users {
            if index > 0 {
                body.push(b',');
            }
            let draw = key.user(index);
            let kind = if share.is_empty() { None } else { share.kind(draw) };
            spoiled += u32::from(kind.is_some());
            catalogue.write_user(draw, &asked.choice, today, kind, &mut body);
        }
        let info = format!(
            r#"],"info":{{"seed":{},"results":{},"page":{},"version":"1.4"}}}}"#,
            serde_json::Value::from(asked.seed.as_str()),
            lie.results.unwrap_or(asked.results),
            asked.page
        );
        body.extend_from_slice(info.as_bytes());
        Self { body, users, spoiled }
    }
}
