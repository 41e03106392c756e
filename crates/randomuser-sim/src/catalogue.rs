//! The pool of bodies, rendered once, and any user of any page out of it.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::body::{Body, Slot};
use crate::draw::{Draw, Key, Sequence};
use crate::field::{Field, Fields};
use crate::hostile::Kind;
use crate::nationality::{Nationality, Postcode, TITLES_FEMALE, TITLES_FEMALE_CH};
use crate::transliteration::local_part;
use crate::words::{NATIONALITIES, PASSWORDS, TIMEZONES};

/// Bodies of each nationality and gender.
const BODIES: u64 = 48;

/// 1944-08-25T17:46:40Z and 2001-05-28T22:16:29Z in milliseconds, as in the API's source: nobody is under 21.
const BORN_MS: (i64, i64) = (-800_000_000_000, 991_088_189_000);

/// A gender, in the order in which the pool is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gender {
    /// "female"
    Female,
    /// "male"
    Male,
}

impl Gender {
    fn name(self) -> &'static str {
        match self {
            Self::Female => "female",
            Self::Male => "male",
        }
    }
}

/// Who is to be drawn, and what of them is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Places in [`NATIONALITIES`]; empty for any.
    pub nationalities: Vec<usize>,
    /// None for either.
    pub gender: Option<Gender>,
    /// The fields that are written.
    pub fields: Fields,
}

impl Choice {
    /// Anybody, with every field.
    pub const ANYBODY: Self = Self { nationalities: Vec::new(), gender: None, fields: Fields::ALL };
}

/// See the module's page.
#[derive(Debug)]
pub struct Catalogue {
    /// By nationality, then gender, then number.
    bodies: Vec<Body>,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::new()
    }
}

impl Catalogue {
    /// Renders the pool: some milliseconds of work, about 4 MB.
    pub fn new() -> Self {
        let mut bodies = Vec::new();
        for nationality in &NATIONALITIES {
            for gender in [Gender::Female, Gender::Male] {
                for number in 0..BODIES {
                    bodies.push(render(nationality, gender, number, bodies.len() as u64));
                }
            }
        }
        Self { bodies }
    }

    /// The user at `index` of (seed, page) as a plain request gets it today. For tests that predict an answer.
    #[expect(clippy::expect_used, reason = "that every body of the pool is JSON is tested")]
    pub fn user(&self, seed: &str, page: u32, index: u32) -> Value {
        let mut out = Vec::new();
        let draw = Key::of(seed, page).user(index);
        self.write_user(draw, &Choice::ANYBODY, Utc::now().date_naive(), None, &mut out);
        serde_json::from_slice(&out).expect("a user is JSON")
    }

    /// Appends one user.
    pub(crate) fn write_user(
        &self,
        draw: Draw,
        choice: &Choice,
        today: NaiveDate,
        spoiled: Option<Kind>,
        out: &mut Vec<u8>,
    ) {
        if let Some(kind @ Kind::NotAnObject) = spoiled {
            return kind.write(draw, out);
        }
        let mut sequence = draw.sequence();
        let nationality = if choice.nationalities.is_empty() {
            sequence.below(NATIONALITIES.len() as u64) as usize
        } else {
            sequence.pick(&choice.nationalities)
        };
        let either = [Gender::Female, Gender::Male];
        let gender = either.get(sequence.below(2) as usize).copied().unwrap_or(Gender::Female);
        let gender = choice.gender.unwrap_or(gender);
        let number = sequence.below(BODIES) as usize;
        let place = (nationality * 2 + gender as usize) * BODIES as usize + number;
        if let Some(body) = self.bodies.get(place) {
            body.write(draw, sequence, choice.fields, today, spoiled, out);
        }
    }
}

/// One body of the pool. `seed` is its place there, so that a body never changes while the words stay.
fn render(nationality: &Nationality, gender: Gender, number: u64, seed: u64) -> Body {
    let mut sequence = Sequence::starting_at(seed);
    let firsts = match gender {
        Gender::Female => nationality.female,
        Gender::Male => nationality.male,
    };
    // In turn, not at random: every word of every list is somewhere in the pool.
    let in_turn = |words: &'static str| {
        let words: Vec<&str> = words.split('|').collect();
        words.get(number as usize % words.len()).copied().unwrap_or_default()
    };
    let first = in_turn(firsts);
    let last = one_of(nationality.last, &mut sequence);
    let title = title(nationality, gender, &mut sequence);
    let born_ms = BORN_MS.0 + sequence.below((BORN_MS.1 - BORN_MS.0) as u64) as i64;
    let born = DateTime::from_timestamp_millis(born_ms).unwrap_or_default();
    let (offset, description) =
        sequence.pick(&TIMEZONES.map(Some)).and_then(|zone| zone.split_once('=')).unwrap_or_default();

    let mut body = Body::of(born.date_naive());
    body.field(Field::Gender).text(&text(gender.name()));
    body.field(Field::Name).text(&format!(
        r#"{{"title":{},"first":{},"last":{}}}"#,
        text(&title),
        text(first),
        text(last)
    ));
    body.field(Field::Location)
        .text(r#"{"street":{"number":"#)
        .slot(Slot::StreetNumber)
        .text(&format!(
            r#","name":{}}},"city":{},"state":{},"country":{},"postcode":{},"coordinates":{{"latitude":""#,
            text(in_turn(nationality.streets)),
            text(one_of(nationality.cities, &mut sequence)),
            text(one_of(nationality.states, &mut sequence)),
            text(nationality.country),
            postcode(nationality, &mut sequence),
        ))
        .slot(Slot::Latitude)
        .text(r#"","longitude":""#)
        .slot(Slot::Longitude)
        .text(&format!(r#""}},"timezone":{{"offset":{},"description":{}}}}}"#, text(offset), text(description)));
    body.field(Field::Email).text(&text(&format!("{}@example.com", local_part(first, last))));
    login(&mut body, &mut sequence);
    body.field(Field::Dob)
        .text(&format!(r#"{{"date":"{}","age":"#, born.format("%Y-%m-%dT%H:%M:%S%.3fZ")))
        .slot(Slot::DobAge)
        .text("}");
    body.field(Field::Registered)
        .text(r#"{"date":""#)
        .slot(Slot::RegisteredDate)
        .text(r#"","age":"#)
        .slot(Slot::RegisteredAge)
        .text("}");
    body.field(Field::Phone).text(&text(&filled(one_of(nationality.phone, &mut sequence), &mut sequence)));
    body.field(Field::Cell).text(&text(&filled(one_of(nationality.cell, &mut sequence), &mut sequence)));
    let id = nationality.id_value.map(|patterns| filled(one_of(patterns, &mut sequence), &mut sequence));
    body.field(Field::Id).text(&format!(r#"{{"name":{},"value":{}}}"#, text(nationality.id_name), json!(id)));
    picture(&mut body, gender, &mut sequence);
    body.field(Field::Nat).text(&text(nationality.code));
    body
}

fn title(nationality: &Nationality, gender: Gender, sequence: &mut Sequence) -> String {
    let swiss = nationality.code == "CH";
    let titles = match gender {
        Gender::Male if swiss => "Monsieur",
        Gender::Male => "Mr",
        Gender::Female if swiss => TITLES_FEMALE_CH,
        Gender::Female => TITLES_FEMALE,
    };
    one_of(titles, sequence).to_owned()
}

/// The digests are made up: of the right length, but not of the password.
fn login(body: &mut Body, sequence: &mut Sequence) {
    let mut hexadecimal = |digits: usize| {
        let mut text = String::new();
        while text.len() < digits {
            text.push_str(&format!("{:016x}", sequence.bits()));
        }
        text.truncate(digits);
        text
    };
    let (md5, sha1, sha256) = (hexadecimal(32), hexadecimal(40), hexadecimal(64));
    let salt = filled("@#@@##@@", sequence);
    body.field(Field::Login).text(r#"{"uuid":""#).slot(Slot::Uuid).text(r#"","username":""#).slot(Slot::Username).text(
        &format!(
            r#"","password":"{}","salt":"{salt}","md5":"{md5}","sha1":"{sha1}","sha256":"{sha256}"}}"#,
            sequence.pick(&PASSWORDS)
        ),
    );
}

fn picture(body: &mut Body, gender: Gender, sequence: &mut Sequence) {
    let (folder, count) = match gender {
        Gender::Female => ("women", 97),
        Gender::Male => ("men", 100),
    };
    let file = format!("{folder}/{}.jpg", sequence.below(count));
    let base = "https://randomuser.me/api/portraits";
    body.field(Field::Picture).text(&format!(
        r#"{{"large":"{base}/{file}","medium":"{base}/med/{file}","thumbnail":"{base}/thumb/{file}"}}"#
    ));
}

fn postcode(nationality: &Nationality, sequence: &mut Sequence) -> String {
    match &nationality.postcode {
        Postcode::Number(range) => {
            let span = u64::from(range.end() - range.start()) + 1;
            (u64::from(*range.start()) + sequence.below(span)).to_string()
        }
        Postcode::Text(patterns) => text(&filled(one_of(patterns, sequence), sequence)),
    }
}

fn one_of(words: &'static str, sequence: &mut Sequence) -> &'static str {
    sequence.pick(&words.split('|').collect::<Vec<_>>())
}

/// A pattern with digits and letters in their places.
fn filled(pattern: &str, sequence: &mut Sequence) -> String {
    pattern
        .chars()
        .map(|place| match place {
            '#' => char::from(b'0' + sequence.below(10) as u8),
            '@' => char::from(b'A' + sequence.below(26) as u8),
            literal => literal,
        })
        .collect()
}

/// A JSON text.
fn text(value: &str) -> String {
    Value::from(value).to_string()
}
