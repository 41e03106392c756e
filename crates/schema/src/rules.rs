//! The rules, both levels. They cost nothing when they pass; when they do not, every one that is broken is told.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;
use validator::{ValidateArgs, ValidationError, ValidationErrors, ValidationErrorsKind};

use crate::date;
use crate::fault::{Fault, Violation};
use crate::reason::{Reason, Stage};
use crate::user::{Given, User};

/// The rule id of a field whose JSON type is wrong.
pub const WRONG_TYPE: &str = "schema.type";
/// The rule id of a version too far ahead of the processor's clock.
pub const TIMESTAMP_IN_FUTURE: &str = "timestamp_in_future";

/// Every rule id there is: the closed set of the metric label `rule`.
pub const ALL: &[&str] = &[
    "id.format",
    "name.required",
    "name.length",
    "address.length",
    "place.length",
    "post_code.length",
    "latitude.range",
    "longitude.range",
    "email.required",
    "email.format",
    "username.required",
    "username.length",
    "dob.required",
    "dob.format",
    "dob.range",
    "registered_date.required",
    "registered_date.format",
    "registered_date.range",
    "phone.length",
    "picture.length",
    TIMESTAMP_IN_FUTURE,
    WRONG_TYPE,
];

/// Years; nobody older is believed.
const OLDEST: i32 = 130;

/// How strict, and on which day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    dates_required: bool,
    today: NaiveDate,
}

impl Level {
    /// Level 1: the producer, which knows that the API gives both dates.
    pub(crate) fn one(today: NaiveDate) -> Self {
        Self { dates_required: true, today }
    }

    /// Level 2: the processor, which reads older pipelines too.
    pub(crate) fn two(today: NaiveDate) -> Self {
        Self { dates_required: false, today }
    }
}

/// Every violation of the user, in its order of fields; the id where there is none.
pub(crate) fn judge(user: &User<'_>, level: &Level) -> Result<Uuid, Vec<Violation>> {
    match (user.validate_with_args(level), user.id) {
        (Ok(()), Given::Valid(id)) => Ok(id),
        // Not reached by a user with an e-mail, which always has an id; said rather than assumed.
        (Ok(()), Given::Absent | Given::Malformed) => {
            Err(vec![Violation { pointer: "/id".to_owned(), rule: "id.format" }])
        }
        (Err(errors), _) => Err(violations(errors)),
    }
}

/// The fault of a user that broke rules.
pub(crate) fn fault(stage: Stage, violations: Vec<Violation>) -> Box<Fault> {
    let (reason, error_type) = if violations.iter().any(|violation| violation.rule == TIMESTAMP_IN_FUTURE) {
        (Reason::TimestampInFuture, "version_ahead_of_clock")
    } else {
        (Reason::QualityRule, "rule_violated")
    };
    let mut fault = Fault::new(reason, stage, error_type, String::new());
    fault.violations = violations;
    fault.message = format!("violated: {}", fault.rule_ids().join(", "));
    Box::new(fault)
}

/// Fields in the wire's order, which is the order of violations.
const FIELDS: &[&str] = &[
    "id",
    "first_name",
    "last_name",
    "title",
    "address",
    "city",
    "state",
    "country",
    "nat",
    "post_code",
    "latitude",
    "longitude",
    "email",
    "username",
    "dob",
    "registered_date",
    "phone",
    "cell",
    "picture",
];

fn violations(errors: ValidationErrors) -> Vec<Violation> {
    let mut placed = Vec::new();
    for (field, kind) in errors.into_errors() {
        let ValidationErrorsKind::Field(errors) = kind else { continue };
        for error in errors {
            let rule = rule_id(error.code);
            // The crate files rules over several fields under a name of its own.
            let field = match rule {
                "name.required" => "first_name",
                "registered_date.range" => "registered_date",
                _ => &field,
            };
            let place = FIELDS.iter().position(|known| *known == field);
            placed.push((place, Violation { pointer: format!("/{field}"), rule }));
        }
    }
    placed.sort_unstable();
    placed.dedup();
    placed.into_iter().map(|(_, violation)| violation).collect()
}

fn rule_id(code: Cow<'static, str>) -> &'static str {
    match code {
        Cow::Borrowed(code) => code,
        // Not reached: every code above is a literal. A metric label stays within its closed set all the same.
        Cow::Owned(code) => ALL.iter().copied().find(|known| *known == code).unwrap_or(WRONG_TYPE),
    }
}

type Verdict = Result<(), ValidationError>;

fn verdict(holds: bool, rule: &'static str) -> Verdict {
    if holds { Ok(()) } else { Err(ValidationError::new(rule)) }
}

/// An id that is there has to be a UUID; one that could not be derived is told by what it is derived from.
pub(crate) fn id(id: &Given<Uuid>) -> Verdict {
    verdict(!matches!(id, Given::Malformed), "id.format")
}

/// One of first and last name is enough.
pub(crate) fn named(user: &User<'_>) -> Verdict {
    verdict(user.first_name.is_some() || user.last_name.is_some(), "name.required")
}

/// Degrees north, -90 to 90.
pub(crate) fn latitude(degrees: &Given<f64>) -> Verdict {
    verdict(within(degrees, 90.0), "latitude.range")
}

/// Degrees east, -180 to 180.
pub(crate) fn longitude(degrees: &Given<f64>) -> Verdict {
    verdict(within(degrees, 180.0), "longitude.range")
}

fn within(degrees: &Given<f64>, bound: f64) -> bool {
    match degrees {
        Given::Absent => true,
        Given::Malformed => false,
        // Not a number is not within.
        Given::Valid(degrees) => degrees.abs() <= bound,
    }
}

/// One @, something before it, a domain with a dot inside, no white space, at most 254 characters.
pub(crate) fn email(email: &str) -> Verdict {
    verdict(is_email(email), "email.format")
}

fn is_email(email: &str) -> bool {
    let Some((local, domain)) = email.split_once('@') else { return false };
    !local.is_empty()
        && !domain.contains('@')
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && !email.contains(char::is_whitespace)
        && (email.len() <= 254 || email.chars().count() <= 254)
}

/// Born before tomorrow and at most 130 years ago.
pub(crate) fn dob(dob: &Given<DateTime<Utc>>, level: &Level) -> Verdict {
    match dob {
        Given::Absent => verdict(!level.dates_required, "dob.required"),
        Given::Malformed => Err(ValidationError::new("dob.format")),
        Given::Valid(dob) => {
            let born = dob.date_naive();
            verdict(born <= level.today && date::age(born, level.today) <= OLDEST, "dob.range")
        }
    }
}

/// Registered before tomorrow.
pub(crate) fn registered_date(registered: &Given<DateTime<Utc>>, level: &Level) -> Verdict {
    match registered {
        Given::Absent => verdict(!level.dates_required, "registered_date.required"),
        Given::Malformed => Err(ValidationError::new("registered_date.format")),
        Given::Valid(registered) => verdict(registered.date_naive() <= level.today, "registered_date.range"),
    }
}

/// Nobody registers before being born.
pub(crate) fn registered_after_birth(user: &User<'_>) -> Verdict {
    match (user.dob, user.registered_date) {
        (Given::Valid(born), Given::Valid(registered)) => verdict(registered >= born, "registered_date.range"),
        (Given::Absent | Given::Malformed | Given::Valid(_), _) => Ok(()),
    }
}
