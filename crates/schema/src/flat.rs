//! The flat dialect that older pipelines of this family publish: no `schema.id` header, fewer fields.

use std::borrow::Cow;

use crate::json::{FromJson, Shape, Slot, TextOrNumber, object};
use crate::user::{Given, User};
use crate::{date, identity, text};

object! {
    /// The value of a record without a `schema.id` header.
    FlatDocument<'a> {
        id: Cow<'a, str> = "id",
        first_name: Cow<'a, str> = "first_name",
        last_name: Cow<'a, str> = "last_name",
        gender: Cow<'a, str> = "gender",
        address: Cow<'a, str> = "address",
        post_code: TextOrNumber<'a> = "post_code",
        postcode: TextOrNumber<'a> = "postcode",
        email: Cow<'a, str> = "email",
        username: Cow<'a, str> = "username",
        dob: FlatDate<'a> = "dob",
        registered_date: Cow<'a, str> = "registered_date",
        phone: Cow<'a, str> = "phone",
        picture: Cow<'a, str> = "picture",
    }
}

object! {
    FlatDateObject<'a> {
        date: Cow<'a, str> = "date",
    }
}

/// A date as text, or as the API's object that holds one.
#[derive(Debug)]
pub(crate) struct FlatDate<'a>(Slot<Cow<'a, str>>);

impl<'de> FromJson<'de> for FlatDate<'de> {
    fn text(text: Cow<'de, str>) -> Slot<Self> {
        Slot::Value(Self(Slot::Value(text)))
    }
    fn object<A: serde::de::MapAccess<'de>>(map: A) -> Result<Slot<Self>, A::Error> {
        Ok(match FlatDateObject::object(map)? {
            Slot::Value(object) => Slot::Value(Self(object.date)),
            Slot::Absent | Slot::WrongType => Slot::WrongType,
        })
    }
}

impl<'a> FlatDocument<'a> {
    /// The user, cleaned. A missing id is derived where there is an e-mail.
    pub(crate) fn into_user(self, shape: &mut Shape) -> User<'a> {
        let mut digits =
            |pointer, slot: Slot<TextOrNumber<'a>>| shape.take(pointer, slot).and_then(|code| text::clean(code.0));
        let post_code = digits("/post_code", self.post_code);
        let postcode = digits("/postcode", self.postcode);
        let dob = shape.take("/dob", self.dob).and_then(|dob| shape.take("/dob/date", dob.0));
        let registered_date = shape.take("/registered_date", self.registered_date);

        let mut text = |pointer, slot: Slot<Cow<'a, str>>| shape.take(pointer, slot).and_then(text::clean);
        let email = text("/email", self.email).and_then(text::clean_lower);
        let id = match (text("/id", self.id), &email) {
            (Some(id), _) => identity::parse(&id).map_or(Given::Malformed, Given::Valid),
            (None, Some(email)) => {
                Given::Valid(identity::derived(email, registered_date.as_deref().unwrap_or_default()))
            }
            (None, None) => Given::Absent,
        };
        User {
            id,
            first_name: text("/first_name", self.first_name),
            last_name: text("/last_name", self.last_name),
            gender: text("/gender", self.gender).and_then(text::gender),
            address: text("/address", self.address),
            post_code: post_code.or(postcode),
            email,
            username: text("/username", self.username),
            dob: Given::of_text(dob.and_then(text::clean).as_deref(), date::parse),
            registered_date: Given::of_text(registered_date.and_then(text::clean).as_deref(), date::parse),
            phone: text("/phone", self.phone),
            picture: text("/picture", self.picture),
            ..User::default()
        }
    }
}
