//! One user of the RandomUser API, and how it maps to `user/1`. What must never leave the producer is not even read.

use std::borrow::Cow;

use crate::json::{FromJson, Shape, Slot, TextOrNumber, object, read_object};
use crate::reason::Stage;
use crate::user::{Given, User};
use crate::{date, identity, text};

object! {
    /// A user as the API gives it.
    ApiUser<'a> {
        gender: Cow<'a, str> = "gender",
        name: ApiName<'a> = "name",
        location: ApiLocation<'a> = "location",
        email: Cow<'a, str> = "email",
        login: ApiLogin<'a> = "login",
        dob: ApiDate<'a> = "dob",
        registered: ApiDate<'a> = "registered",
        phone: Cow<'a, str> = "phone",
        cell: Cow<'a, str> = "cell",
        picture: ApiPicture<'a> = "picture",
        nat: Cow<'a, str> = "nat",
    }
}

object! {
    ApiName<'a> {
        title: Cow<'a, str> = "title",
        first: Cow<'a, str> = "first",
        last: Cow<'a, str> = "last",
    }
}

object! {
    ApiLocation<'a> {
        street: ApiStreet<'a> = "street",
        city: Cow<'a, str> = "city",
        state: Cow<'a, str> = "state",
        country: Cow<'a, str> = "country",
        postcode: TextOrNumber<'a> = "postcode",
        coordinates: ApiCoordinates<'a> = "coordinates",
        timezone: ApiTimezone<'a> = "timezone",
    }
}

object! {
    ApiStreet<'a> {
        number: TextOrNumber<'a> = "number",
        name: Cow<'a, str> = "name",
    }
}

object! {
    ApiCoordinates<'a> {
        latitude: Degrees<'a> = "latitude",
        longitude: Degrees<'a> = "longitude",
    }
}

object! {
    ApiTimezone<'a> {
        offset: Cow<'a, str> = "offset",
    }
}

object! {
    /// Only what maps: password, salt and hashes stay unread.
    ApiLogin<'a> {
        uuid: Cow<'a, str> = "uuid",
        username: Cow<'a, str> = "username",
    }
}

object! {
    /// Only the date: the age beside it changes with the day of the request.
    ApiDate<'a> {
        date: Cow<'a, str> = "date",
    }
}

object! {
    ApiPicture<'a> {
        medium: Cow<'a, str> = "medium",
    }
}

/// A coordinate: the API gives it as text.
#[derive(Debug)]
pub(crate) enum Degrees<'a> {
    Text(Cow<'a, str>),
    Number(f64),
}

impl<'de> FromJson<'de> for Degrees<'de> {
    fn text(text: Cow<'de, str>) -> Slot<Self> {
        Slot::Value(Self::Text(text))
    }
    fn integer(number: i128) -> Slot<Self> {
        Slot::Value(Self::Number(number as f64))
    }
    fn float(number: f64) -> Slot<Self> {
        Slot::Value(Self::Number(number))
    }
}

impl Degrees<'_> {
    fn given(self) -> Given<f64> {
        match self {
            Self::Text(text) => Given::of_text(Some(text.trim()), |text| text.parse().ok()),
            Self::Number(number) => Given::Valid(number),
        }
    }
}

impl<'a> ApiUser<'a> {
    /// The user, cleaned; wrong types are noted in `shape` with their pointers in the API's user.
    pub(crate) fn into_user(self, shape: &mut Shape) -> User<'a> {
        // An id that is there in a wrong type is no missing one: nothing may be derived in its place.
        let id_spoiled = match &self.login {
            Slot::Value(login) => matches!(login.uuid, Slot::WrongType),
            Slot::WrongType => true,
            Slot::Absent => false,
        };
        let name = shape.take("/name", self.name).unwrap_or_default();
        let location = shape.take("/location", self.location).unwrap_or_default();
        let street = shape.take("/location/street", location.street).unwrap_or_default();
        let coordinates = shape.take("/location/coordinates", location.coordinates).unwrap_or_default();
        let timezone = shape.take("/location/timezone", location.timezone).unwrap_or_default();
        let login = shape.take("/login", self.login).unwrap_or_default();
        let dob = shape.take("/dob", self.dob).unwrap_or_default();
        let registered = shape.take("/registered", self.registered).unwrap_or_default();
        let picture = shape.take("/picture", self.picture).unwrap_or_default();

        let street_number = shape.take("/location/street/number", street.number).and_then(clean_digits);
        let post_code = shape.take("/location/postcode", location.postcode).and_then(clean_digits);
        let latitude = shape.take("/location/coordinates/latitude", coordinates.latitude);
        let longitude = shape.take("/location/coordinates/longitude", coordinates.longitude);
        let dob = shape.take("/dob/date", dob.date);
        let registered = shape.take("/registered/date", registered.date);

        let mut text = |pointer, slot: Slot<Cow<'a, str>>| shape.take(pointer, slot).and_then(text::clean);
        let street_name = text("/location/street/name", street.name);
        let city = text("/location/city", location.city);
        let state = text("/location/state", location.state);
        let country = text("/location/country", location.country);
        let email = text("/email", self.email).and_then(text::clean_lower);
        let given_id = text("/login/uuid", login.uuid);
        let id = if id_spoiled {
            Given::Malformed
        } else {
            id(given_id.as_deref(), email.as_deref(), registered.as_deref())
        };
        let address = address(
            [street_number.as_deref(), street_name.as_deref()],
            [city.as_deref(), post_code.as_deref()],
            state.as_deref(),
            country.as_deref(),
        );

        User {
            id,
            first_name: text("/name/first", name.first),
            last_name: text("/name/last", name.last),
            title: text("/name/title", name.title),
            gender: text("/gender", self.gender).and_then(text::gender),
            address: address.map(Cow::Owned),
            nat: text("/nat", self.nat),
            latitude: latitude.map_or(Given::Absent, Degrees::given),
            longitude: longitude.map_or(Given::Absent, Degrees::given),
            timezone: text("/location/timezone/offset", timezone.offset),
            username: text("/login/username", login.username),
            dob: Given::of_text(dob.and_then(text::clean).as_deref(), date::parse),
            registered_date: Given::of_text(registered.and_then(text::clean).as_deref(), date::parse),
            phone: text("/phone", self.phone),
            cell: text("/cell", self.cell),
            picture: text("/picture/medium", picture.medium),
            city,
            state,
            country,
            post_code,
            email,
        }
    }
}

fn clean_digits(text: TextOrNumber<'_>) -> Option<Cow<'_, str>> {
    text::clean(text.0)
}

/// The id given, or the one derived from e-mail and registration date, or none where one of these is missing too.
fn id(given: Option<&str>, email: Option<&str>, registered: Option<&str>) -> Given<uuid::Uuid> {
    match (given, email, registered) {
        (Some(given), _, _) => identity::parse(given).map_or(Given::Malformed, Given::Valid),
        (None, Some(email), Some(registered)) if !registered.trim().is_empty() => {
            Given::Valid(identity::derived(email, registered))
        }
        (None, _, _) => Given::Absent,
    }
}

/// `{number} {street}, {city} {postcode}, {state}, {country}`: empty parts dropped, the postcode too when the city is empty.
fn address(
    street: [Option<&str>; 2],
    city: [Option<&str>; 2],
    state: Option<&str>,
    country: Option<&str>,
) -> Option<String> {
    let city = match city {
        [Some(_), _] => city,
        [None, _] => [None, None],
    };
    let groups = [street, city, [state, None], [country, None]];
    let mut address = String::with_capacity(64);
    for group in groups {
        let mut separator = ", ";
        for part in group.into_iter().flatten() {
            if !address.is_empty() {
                address.push_str(separator);
            }
            address.push_str(part);
            separator = " ";
        }
    }
    if address.is_empty() { None } else { Some(address) }
}

/// The id of a raw user, whatever else is wrong with it; none where it has no usable one.
pub(crate) fn key_of(raw_user: &str) -> Option<uuid::Uuid> {
    let user: ApiUser<'_> = read_object(raw_user.as_bytes(), Stage::Validate).ok()?;
    user.into_user(&mut Shape::default()).id.valid()
}
