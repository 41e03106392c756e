//! The user record `user/1`: cleaned, not yet judged. One type for both levels, so that they cannot drift apart.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use uuid::Uuid;
use validator::Validate;

use crate::json::{Shape, Slot, object};
use crate::rules::{self, Level};
use crate::{date, identity, text};

/// A field that has to be more than text.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) enum Given<T> {
    /// Missing, null or empty.
    #[default]
    Absent,
    /// There, but not what it has to be: a rule says so.
    Malformed,
    /// There.
    Valid(T),
}

impl<T> Given<T> {
    pub(crate) fn valid(self) -> Option<T> {
        match self {
            Self::Valid(value) => Some(value),
            Self::Absent | Self::Malformed => None,
        }
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Reads text with `parse`.
    pub(crate) fn of_text(text: Option<&str>, parse: impl FnOnce(&str) -> Option<T>) -> Self {
        match text {
            None | Some("") => Self::Absent,
            Some(text) => parse(text).map_or(Self::Malformed, Self::Valid),
        }
    }
}

/// What a valid value looks like on the wire.
pub(crate) trait OnTheWire {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

impl OnTheWire for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}

impl OnTheWire for DateTime<Utc> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&date::millis(*self))
    }
}

impl OnTheWire for f64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(*self)
    }
}

impl<T: OnTheWire> Serialize for Given<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Valid(value) => value.serialize(serializer),
            Self::Absent | Self::Malformed => serializer.serialize_unit(),
        }
    }
}

/// A user as the wire and the table know it. Every text is clean; what is absent is left out.
#[derive(Debug, Default, Serialize, Validate)]
#[validate(
    context = Level,
    schema(function = rules::named, skip_on_field_errors = false),
    schema(function = rules::registered_after_birth, skip_on_field_errors = false)
)]
pub(crate) struct User<'a> {
    #[validate(custom(function = rules::id))]
    pub(crate) id: Given<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 100, code = "name.length"))]
    pub(crate) first_name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 100, code = "name.length"))]
    pub(crate) last_name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 100, code = "name.length"))]
    pub(crate) title: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gender: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 500, code = "address.length"))]
    pub(crate) address: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 100, code = "place.length"))]
    pub(crate) city: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 100, code = "place.length"))]
    pub(crate) state: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 100, code = "place.length"))]
    pub(crate) country: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 100, code = "place.length"))]
    pub(crate) nat: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 20, code = "post_code.length"))]
    pub(crate) post_code: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Given::is_absent")]
    #[validate(custom(function = rules::latitude))]
    pub(crate) latitude: Given<f64>,
    #[serde(skip_serializing_if = "Given::is_absent")]
    #[validate(custom(function = rules::longitude))]
    pub(crate) longitude: Given<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timezone: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(required(code = "email.required"), custom(function = rules::email))]
    pub(crate) email: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(required(code = "username.required"), length(min = 3, max = 30, code = "username.length"))]
    pub(crate) username: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Given::is_absent")]
    #[validate(custom(function = rules::dob, use_context))]
    pub(crate) dob: Given<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Given::is_absent")]
    #[validate(custom(function = rules::registered_date, use_context))]
    pub(crate) registered_date: Given<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 50, code = "phone.length"))]
    pub(crate) phone: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 50, code = "phone.length"))]
    pub(crate) cell: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 500, code = "picture.length"))]
    pub(crate) picture: Option<Cow<'a, str>>,
}

object! {
    /// The value of a record whose `schema.id` is `user/1`.
    UserDocument<'a> {
        id: Cow<'a, str> = "id",
        first_name: Cow<'a, str> = "first_name",
        last_name: Cow<'a, str> = "last_name",
        title: Cow<'a, str> = "title",
        gender: Cow<'a, str> = "gender",
        address: Cow<'a, str> = "address",
        city: Cow<'a, str> = "city",
        state: Cow<'a, str> = "state",
        country: Cow<'a, str> = "country",
        nat: Cow<'a, str> = "nat",
        post_code: Cow<'a, str> = "post_code",
        latitude: f64 = "latitude",
        longitude: f64 = "longitude",
        timezone: Cow<'a, str> = "timezone",
        email: Cow<'a, str> = "email",
        username: Cow<'a, str> = "username",
        dob: Cow<'a, str> = "dob",
        registered_date: Cow<'a, str> = "registered_date",
        phone: Cow<'a, str> = "phone",
        cell: Cow<'a, str> = "cell",
        picture: Cow<'a, str> = "picture",
    }
}

impl<'a> UserDocument<'a> {
    /// The user, and the id's text as it stands. A missing id counts as malformed: on this wire it is required.
    pub(crate) fn into_user(self, shape: &mut Shape) -> (User<'a>, Option<Cow<'a, str>>) {
        let mut text = |pointer, slot: Slot<Cow<'a, str>>| shape.take(pointer, slot).and_then(text::clean);
        let id = text("/id", self.id);
        let dob = text("/dob", self.dob);
        let registered_date = text("/registered_date", self.registered_date);
        let mut user = User {
            id: id.as_deref().and_then(identity::parse).map_or(Given::Malformed, Given::Valid),
            first_name: text("/first_name", self.first_name),
            last_name: text("/last_name", self.last_name),
            title: text("/title", self.title),
            gender: text("/gender", self.gender).and_then(text::gender),
            address: text("/address", self.address),
            city: text("/city", self.city),
            state: text("/state", self.state),
            country: text("/country", self.country),
            nat: text("/nat", self.nat),
            post_code: text("/post_code", self.post_code),
            latitude: Given::Absent,
            longitude: Given::Absent,
            timezone: text("/timezone", self.timezone),
            email: text("/email", self.email).and_then(text::clean_lower),
            username: text("/username", self.username),
            dob: Given::of_text(dob.as_deref(), date::parse),
            registered_date: Given::of_text(registered_date.as_deref(), date::parse),
            phone: text("/phone", self.phone),
            cell: text("/cell", self.cell),
            picture: text("/picture", self.picture),
        };
        user.latitude = shape.take("/latitude", self.latitude).map_or(Given::Absent, Given::Valid);
        user.longitude = shape.take("/longitude", self.longitude).map_or(Given::Absent, Given::Valid);
        (user, id)
    }
}
