//! Users spoiled on purpose, by kind and by share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::body::hyphenated;
use crate::draw::{Draw, Key};
use crate::field::Field;

/// How a user is spoiled. The rest of the user stays as it would have been, `login.uuid` included unless it is what is spoiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No `email`.
    MissingEmail,
    /// An `email` without an @.
    BadEmail,
    /// An `email` that is a number.
    WrongType,
    /// First and last name of 101 characters.
    LongName,
    /// `name` with three nulls.
    NullName,
    /// A first name with control characters in it; otherwise fine.
    ControlCharacters,
    /// `gender` is "unknown"; otherwise fine.
    UnknownGender,
    /// `dob.date` is no date.
    BadDob,
    /// No `dob`.
    MissingDob,
    /// Born in 1850.
    OldDob,
    /// Born in 2150.
    FutureDob,
    /// `registered.date` is no date.
    BadRegistered,
    /// Registered in 1930, before anybody here was born.
    EarlyRegistered,
    /// `latitude` is "91.5".
    BadLatitude,
    /// No `login.uuid`; otherwise fine.
    NoUuid,
    /// `login.uuid` is "not-a-uuid".
    BadUuid,
    /// A `username` of two characters.
    ShortUsername,
    /// `picture.medium` of 1.2 MB.
    Huge,
    /// The user is a JSON text, not an object.
    NotAnObject,
}

/// Characters of the medium picture's address in [`Kind::Huge`].
const HUGE: usize = 1_200_000;

impl Kind {
    /// All of them, in the order in which shares are laid out.
    pub const ALL: [Self; 19] = [
        Self::MissingEmail,
        Self::BadEmail,
        Self::WrongType,
        Self::LongName,
        Self::NullName,
        Self::ControlCharacters,
        Self::UnknownGender,
        Self::BadDob,
        Self::MissingDob,
        Self::OldDob,
        Self::FutureDob,
        Self::BadRegistered,
        Self::EarlyRegistered,
        Self::BadLatitude,
        Self::NoUuid,
        Self::BadUuid,
        Self::ShortUsername,
        Self::Huge,
        Self::NotAnObject,
    ];

    /// The field that is spoiled; none when it is the user as a whole.
    pub(crate) fn field(self) -> Option<Field> {
        match self {
            Self::MissingEmail | Self::BadEmail | Self::WrongType => Some(Field::Email),
            Self::LongName | Self::NullName | Self::ControlCharacters => Some(Field::Name),
            Self::UnknownGender => Some(Field::Gender),
            Self::BadDob | Self::MissingDob | Self::OldDob | Self::FutureDob => Some(Field::Dob),
            Self::BadRegistered | Self::EarlyRegistered => Some(Field::Registered),
            Self::BadLatitude => Some(Field::Location),
            Self::NoUuid | Self::BadUuid | Self::ShortUsername => Some(Field::Login),
            Self::Huge => Some(Field::Picture),
            Self::NotAnObject => None,
        }
    }

    /// Appends the spoiled field, a comma first; nothing where it is missing. For [`Kind::NotAnObject`] the whole user.
    pub(crate) fn write(self, draw: Draw, out: &mut Vec<u8>) {
        let text: &str = match self {
            Self::MissingEmail | Self::MissingDob => "",
            Self::BadEmail => r#","email":"somebody.example.com""#,
            Self::WrongType => r#","email":42"#,
            Self::LongName => {
                let name = "x".repeat(101);
                let json = format!(r#","name":{{"title":"Mr","first":"{name}","last":"{name}"}}"#);
                return out.extend_from_slice(json.as_bytes());
            }
            Self::NullName => r#","name":{"title":null,"first":null,"last":null}"#,
            Self::ControlCharacters => r#","name":{"title":"Ms","first":"Z\u0000o\u0007e\u001b","last":"Bell\u007f"}"#,
            Self::UnknownGender => r#","gender":"unknown""#,
            Self::BadDob => r#","dob":{"date":"1990-13-45T25:61:61.000Z","age":36}"#,
            Self::OldDob => r#","dob":{"date":"1850-01-01T00:00:00.000Z","age":176}"#,
            Self::FutureDob => r#","dob":{"date":"2150-01-01T00:00:00.000Z","age":-124}"#,
            Self::BadRegistered => r#","registered":{"date":"yesterday","age":0}"#,
            Self::EarlyRegistered => r#","registered":{"date":"1930-01-01T00:00:00.000Z","age":96}"#,
            Self::BadLatitude => {
                r#","location":{"street":{"number":1,"name":"North Row"},"city":"Nowhere","state":"None","country":"Australia","postcode":1000,"coordinates":{"latitude":"91.5","longitude":"0.0000"},"timezone":{"offset":"0:00","description":"Western Europe Time, London, Lisbon, Casablanca"}}"#
            }
            Self::NoUuid => r#","login":{"username":"tinywolf100","password":"glory"}"#,
            Self::BadUuid => r#","login":{"uuid":"not-a-uuid","username":"tinywolf100","password":"glory"}"#,
            Self::ShortUsername => {
                out.extend_from_slice(br#","login":{"uuid":""#);
                hyphenated(draw.uuid(), out);
                r#"","username":"ab","password":"glory"}"#
            }
            Self::Huge => {
                out.extend_from_slice(br#","picture":{"large":"https://randomuser.me/api/portraits/men/1.jpg","medium":"https://randomuser.me/"#);
                out.resize(out.len() + HUGE, b'a');
                r#".jpg","thumbnail":"https://randomuser.me/api/portraits/thumb/men/1.jpg"}"#
            }
            Self::NotAnObject => r#""nobody""#,
        };
        out.extend_from_slice(text.as_bytes());
    }
}

/// Which part of the users is spoiled, by kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Kind, f64>")]
pub struct Share(BTreeMap<Kind, f64>);

/// Why a share was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ShareError {
    /// A part below 0 or not a number.
    #[error("a share is a number from 0 to 1")]
    Part,
    /// All parts together exceed 1.
    #[error("all shares together are at most 1")]
    Sum,
}

impl TryFrom<BTreeMap<Kind, f64>> for Share {
    type Error = ShareError;

    fn try_from(parts: BTreeMap<Kind, f64>) -> Result<Self, ShareError> {
        if !parts.values().all(|part| (0.0..=1.0).contains(part)) {
            return Err(ShareError::Part);
        }
        if parts.values().sum::<f64>() > 1.0 + 1e-9 {
            return Err(ShareError::Sum);
        }
        Ok(Self(parts))
    }
}

impl Share {
    /// This part of the users, of one kind, spoiled.
    pub fn of(kind: Kind, part: f64) -> Result<Self, ShareError> {
        Self::try_from(BTreeMap::from([(kind, part)]))
    }

    /// True when nobody is spoiled.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The kind of this user: the parts lie one after the other, in the order of [`Kind::ALL`], on the line from 0 to 1.
    pub(crate) fn kind(&self, draw: Draw) -> Option<Kind> {
        let chance = draw.chance();
        let mut end = 0.0;
        self.0.iter().find_map(|(kind, part)| {
            end += part;
            (chance < end).then_some(*kind)
        })
    }
}

/// How the user at `index` of (seed, page) is spoiled under this share: what a test predicts an answer with.
pub fn hostile_kind(seed: &str, page: u32, index: u32, share: &Share) -> Option<Kind> {
    share.kind(Key::of(seed, page).user(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_map_is_the_order_of_all() {
        let map: BTreeMap<Kind, f64> = Kind::ALL.into_iter().rev().map(|kind| (kind, 0.0)).collect();
        assert!(map.keys().copied().eq(Kind::ALL));
    }

    #[test]
    fn shares_are_checked() {
        let read = |json: &str| serde_json::from_str::<Share>(json).map_err(|error| error.to_string());
        assert!(read(r#"{"bad_dob":0.5,"huge":0.5}"#).is_ok());
        assert!(read(r#"{"bad_dob":0.6,"huge":0.5}"#).unwrap_err().contains("at most 1"));
        assert!(read(r#"{"bad_dob":-0.1}"#).unwrap_err().contains("from 0 to 1"));
        let unknown = read(r#"{"bad_hair":0.1}"#).unwrap_err();
        assert!(unknown.contains("`bad_hair`") && unknown.contains("`missing_email`"), "{unknown}");
    }

    #[test]
    fn shares_are_met_and_the_whole_share_spoils_everybody() {
        let share: Share = serde_json::from_str(r#"{"bad_dob":0.1,"no_uuid":0.2}"#).unwrap();
        let kinds: Vec<_> = (0..10_000).map(|index| hostile_kind("sluice", 1, index, &share)).collect();
        let count = |kind| kinds.iter().filter(|found| **found == kind).count();
        assert!((900..1_100).contains(&count(Some(Kind::BadDob))));
        assert!((1_850..2_150).contains(&count(Some(Kind::NoUuid))));
        let all = Share::of(Kind::Huge, 1.0).unwrap();
        assert!((0..10_000).all(|index| hostile_kind("sluice", 1, index, &all) == Some(Kind::Huge)));
    }
}
