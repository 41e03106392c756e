//! The processor's whole pure part: one record of `user_data` to the row that is written. Text that needed no cleaning is
//! borrowed from the record.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use uuid::Uuid;

use crate::event::SCHEMA_USER_1;
use crate::fault::{Fault, Violation};
use crate::flat::FlatDocument;
use crate::json::{Shape, read_object};
use crate::reason::{Reason, Stage};
use crate::record::Record;
use crate::rules::{self, Level};
use crate::user::{User, UserDocument};
use crate::version::VersionMicros;
use crate::{date, headers};

/// The `schema_id` of a row that came from a flat record.
pub const SCHEMA_FLAT: &str = "flat";

/// A version further ahead of the processor's clock than this would freeze its row.
const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// One row of the table; a field is a column. `None` is written as null, so that no older value shows through.
#[derive(Debug, Clone, PartialEq)]
pub struct UserRow<'a> {
    /// Primary key.
    pub id: Uuid,
    /// The write timestamp; not a column.
    pub version: VersionMicros,
    /// First name.
    pub first_name: Option<Cow<'a, str>>,
    /// Last name.
    pub last_name: Option<Cow<'a, str>>,
    /// Title.
    pub title: Option<Cow<'a, str>>,
    /// `male`, `female` or `other`.
    pub gender: Option<&'static str>,
    /// Address in one line.
    pub address: Option<Cow<'a, str>>,
    /// City.
    pub city: Option<Cow<'a, str>>,
    /// State.
    pub state: Option<Cow<'a, str>>,
    /// Country.
    pub country: Option<Cow<'a, str>>,
    /// Nationality.
    pub nat: Option<Cow<'a, str>>,
    /// Post code; leading zeros matter.
    pub post_code: Option<Cow<'a, str>>,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// Offset from UTC, as `+9:30`.
    pub timezone: Option<Cow<'a, str>>,
    /// E-mail in lower case.
    pub email: Cow<'a, str>,
    /// User name.
    pub username: Cow<'a, str>,
    /// Born; milliseconds.
    pub dob: Option<DateTime<Utc>>,
    /// Registered; milliseconds.
    pub registered_date: Option<DateTime<Utc>>,
    /// Telephone.
    pub phone: Option<Cow<'a, str>>,
    /// Mobile telephone.
    pub cell: Option<Cow<'a, str>>,
    /// URL of the picture.
    pub picture: Option<Cow<'a, str>>,
    /// Age on the day of the version, as one of seven bands.
    pub age_band: Option<&'static str>,
    /// What follows the e-mail's @.
    pub email_domain: Cow<'a, str>,
    /// The `source` header, or `<topic>/<partition>/<offset>`.
    pub source: Cow<'a, str>,
    /// The `run.id` header; null for a flat record.
    pub run_id: Option<Cow<'a, str>>,
    /// `user/1` or `flat`.
    pub schema_id: &'static str,
}

/// Decodes, judges (level 2) and enriches one record.
///
/// # Errors
///
/// The fault says why this record can never be written unchanged; all of its violations are collected.
pub fn row_of<'a>(record: &'a Record, now: DateTime<Utc>) -> Result<UserRow<'a>, Box<Fault>> {
    let known = match (record.headers.contains(headers::SCHEMA_ID), record.headers.text(headers::SCHEMA_ID)) {
        (false, _) => false,
        (true, Some(SCHEMA_USER_1)) => true,
        (true, _) => return Err(unsupported_schema()),
    };
    let Some(value) = &record.value else {
        return Err(decode_fault(Reason::SchemaViolation, "null_value", "the value is null"));
    };
    if known { user_row(record, value, now) } else { flat_row(record, value, now) }
}

fn user_row<'a>(record: &'a Record, value: &'a [u8], now: DateTime<Utc>) -> Result<UserRow<'a>, Box<Fault>> {
    let document: UserDocument<'a> = read_object(value, Stage::Decode)?;
    let Some(key) = &record.key else {
        return Err(decode_fault(Reason::MissingKey, "null_key", "a record of user/1 has a key"));
    };
    let version = match record.headers.text(headers::EVENT_VERSION_US) {
        None => return Err(decode_fault(Reason::SchemaViolation, "version_missing", "no event.version_us header")),
        Some(digits) => parse_version(digits)?,
    };
    let mut shape = Shape::default();
    let (user, id_text) = document.into_user(&mut shape);
    if let Some(fault) = shape.into_fault(Stage::Decode) {
        return Err(fault);
    }
    let key_fits = match (user.id.valid(), &id_text) {
        (Some(id), _) => key == id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes(),
        (None, Some(text)) => key == text.as_bytes(),
        (None, None) => true,
    };
    if !key_fits {
        return Err(decode_fault(Reason::SchemaViolation, "key_unlike_id", "the key is not the id in lower case"));
    }
    let source = match header_text(record, headers::SOURCE)? {
        Some(source) => Cow::Borrowed(source),
        None => coordinates(record),
    };
    let run_id = header_text(record, headers::RUN_ID)?.map(Cow::Borrowed);
    judged(user, version, now, Origin { source, run_id, schema_id: SCHEMA_USER_1 })
}

fn flat_row<'a>(record: &'a Record, value: &'a [u8], now: DateTime<Utc>) -> Result<UserRow<'a>, Box<Fault>> {
    let document: FlatDocument<'a> = read_object(value, Stage::Decode)?;
    let version = if record.headers.contains(headers::EVENT_VERSION_US) {
        parse_version(record.headers.text(headers::EVENT_VERSION_US).unwrap_or_default())?
    } else {
        record.timestamp_ms.and_then(VersionMicros::from_millis).ok_or_else(|| {
            decode_fault(
                Reason::SchemaViolation,
                "version_missing",
                "neither an event.version_us header nor a record timestamp",
            )
        })?
    };
    let mut shape = Shape::default();
    let user = document.into_user(&mut shape);
    if let Some(fault) = shape.into_fault(Stage::Decode) {
        return Err(fault);
    }
    let source = record.headers.text(headers::SOURCE).map_or_else(|| coordinates(record), Cow::Borrowed);
    judged(user, version, now, Origin { source, run_id: None, schema_id: SCHEMA_FLAT })
}

/// Where a row came from.
struct Origin<'a> {
    source: Cow<'a, str>,
    run_id: Option<Cow<'a, str>>,
    schema_id: &'static str,
}

fn judged<'a>(
    user: User<'a>,
    version: VersionMicros,
    now: DateTime<Utc>,
    origin: Origin<'a>,
) -> Result<UserRow<'a>, Box<Fault>> {
    let today = version.day();
    let judgement = rules::judge(&user, &Level::two(today));
    let ahead = version.instant() > now.checked_add_signed(AHEAD).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let (id, email, username) = match (judgement, user.email, user.username) {
        (Ok(id), Some(email), Some(username)) if !ahead => (id, email, username),
        (judgement, ..) => {
            let mut violations = judgement.err().unwrap_or_default();
            if ahead {
                violations.insert(0, Violation { pointer: String::new(), rule: rules::TIMESTAMP_IN_FUTURE });
            }
            return Err(rules::fault(Stage::Quality, violations));
        }
    };
    let dob = user.dob.valid();
    Ok(UserRow {
        id,
        version,
        first_name: user.first_name,
        last_name: user.last_name,
        title: user.title,
        gender: user.gender,
        address: user.address,
        city: user.city,
        state: user.state,
        country: user.country,
        nat: user.nat,
        post_code: user.post_code,
        latitude: user.latitude.valid(),
        longitude: user.longitude.valid(),
        timezone: user.timezone,
        email_domain: email_domain(&email),
        email,
        username,
        age_band: dob.map(|dob| age_band(dob.date_naive(), today)),
        dob,
        registered_date: user.registered_date.valid(),
        phone: user.phone,
        cell: user.cell,
        picture: user.picture,
        source: origin.source,
        run_id: origin.run_id,
        schema_id: origin.schema_id,
    })
}

/// The band of the age on `day`.
fn age_band(born: NaiveDate, day: NaiveDate) -> &'static str {
    match date::age(born, day) {
        ..=17 => "0-17",
        18..=24 => "18-24",
        25..=34 => "25-34",
        35..=44 => "35-44",
        45..=54 => "45-54",
        55..=64 => "55-64",
        65.. => "65+",
    }
}

fn email_domain<'a>(email: &Cow<'a, str>) -> Cow<'a, str> {
    let domain = |email: &str| email.find('@').map_or(email.len(), |at| at + 1);
    match email {
        Cow::Borrowed(email) => Cow::Borrowed(email.get(domain(email)..).unwrap_or_default()),
        Cow::Owned(email) => Cow::Owned(email.get(domain(email)..).unwrap_or_default().to_owned()),
    }
}

fn coordinates(record: &Record) -> Cow<'static, str> {
    Cow::Owned(format!("{}/{}/{}", record.topic, record.partition, record.offset))
}

fn header_text<'a>(record: &'a Record, name: &'static str) -> Result<Option<&'a str>, Box<Fault>> {
    match (record.headers.get(name), record.headers.text(name)) {
        (None, _) => Ok(None),
        (Some(_), Some(text)) => Ok(Some(text)),
        (Some(_), None) => {
            Err(decode_fault(Reason::SchemaViolation, "header_not_utf8", format!("the {name} header is not UTF-8")))
        }
    }
}

fn parse_version(digits: &str) -> Result<VersionMicros, Box<Fault>> {
    VersionMicros::parse(digits).ok_or_else(|| {
        decode_fault(Reason::SchemaViolation, "version_not_a_number", "the event.version_us header is not a number")
    })
}

fn unsupported_schema() -> Box<Fault> {
    decode_fault(Reason::UnsupportedSchema, "schema_id", "the schema.id header is not user/1")
}

fn decode_fault(reason: Reason, error_type: &'static str, message: impl Into<String>) -> Box<Fault> {
    Box::new(Fault::new(reason, Stage::Decode, error_type, message))
}
