//! Mending a record before it is replayed: a patch for its JSON value, or from an older dialect to the one that is written now.
//!
//! Values are users' data: they are shown to whoever asks for a preview, and never logged.

use std::fs;

use clap::Args;
use json_patch::PatchError;
use schema::event::SCHEMA_USER_1;
use schema::record::NewRecord;
use schema::version::VersionMicros;
use schema::{headers, upcast};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::letter::{Letter, Source};
use crate::redrive::Refusal;

/// Letters whose difference is shown beforehand.
pub(crate) const PREVIEWED: usize = 3;

/// The flags of what mends records.
#[derive(Debug, Clone, Default, Args)]
pub struct MendArguments {
    /// Mend each record's JSON value by this JSON Patch (RFC 6902) first
    #[arg(long, value_name = "FILE", value_parser = Patch::read)]
    pub patch: Option<Patch>,
    /// Make flat records of older pipelines records of user/1 first
    #[arg(long, conflicts_with = "patch")]
    pub upcast: bool,
}

impl MendArguments {
    /// What they ask for.
    pub fn mend(&self) -> Option<Mend> {
        match &self.patch {
            Some(patch) => Some(Mend::Patch(patch.clone())),
            None => self.upcast.then_some(Mend::Upcast),
        }
    }
}

/// What is done to a record before it is replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mend {
    /// Its value is patched.
    Patch(Patch),
    /// A flat record becomes one of `user/1`.
    Upcast,
}

/// A patch for JSON values, RFC 6902.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    operations: json_patch::Patch,
    sha256: String,
}

/// A text that is no patch.
#[derive(Debug, thiserror::Error)]
pub enum PatchProblem {
    /// It is no list of operations.
    #[error("no JSON Patch (RFC 6902): {0}")]
    NoPatch(#[from] serde_json::Error),
    /// It would change nothing.
    #[error("the patch has no operation")]
    Empty,
}

impl Patch {
    fn read(path: &str) -> Result<Self, String> {
        let text = fs::read(path).map_err(|error| error.to_string())?;
        Self::parse(&text).map_err(|error| error.to_string())
    }

    /// Reads a list of operations.
    ///
    /// # Errors
    /// It is none, or empty.
    pub fn parse(text: &[u8]) -> Result<Self, PatchProblem> {
        let value: Value = serde_json::from_slice(text)?;
        let mut canonical = String::new();
        write_canonical(&value, &mut canonical);
        let operations: json_patch::Patch = serde_json::from_value(value)?;
        if operations.is_empty() {
            return Err(PatchProblem::Empty);
        }
        let digest = Sha256::digest(canonical);
        Ok(Self { operations, sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect() })
    }

    /// SHA-256 of its canonical form, in hexadecimal digits: without white space, members in the order of their names.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The patched value: all operations, or an error and none.
    ///
    /// # Errors
    /// The value is not JSON, or an operation does not apply to it.
    pub fn apply(&self, value: Option<&[u8]>) -> Result<Vec<u8>, Refusal> {
        let mut document = json(value).ok_or(Refusal::NoJson)?;
        json_patch::patch(&mut document, &self.operations).map_err(|error| Refusal::PatchDoesNotApply(told(&error)))?;
        Ok(document.to_string().into_bytes())
    }
}

/// Which operation failed, and where: nothing of the value.
fn told(error: &PatchError) -> String {
    format!("operation {} at {}: {}", error.operation + 1, error.path, error.kind)
}

fn json(value: Option<&[u8]>) -> Option<Value> {
    serde_json::from_slice(value?).ok()
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (place, (name, member)) in members.into_iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(member, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => text.push_str(&value.to_string()),
    }
}

/// Makes a flat record one of `user/1`; a record that names its schema is left as it is.
pub(crate) fn upcast(record: &mut NewRecord, source: &Source) -> Result<(), Refusal> {
    if record.headers.contains(headers::SCHEMA_ID) {
        return Ok(());
    }
    let version = record.headers.text(headers::EVENT_VERSION_US).and_then(VersionMicros::parse);
    let flat = record.value.as_deref().unwrap_or_default();
    let user = upcast::user_of(flat, version.ok_or(Refusal::NoVersion)?).map_err(Refusal::StillFails)?;
    record.key = Some(user.key);
    record.value = Some(user.value);
    record.headers.push(headers::SCHEMA_ID, SCHEMA_USER_1);
    if !record.headers.contains(headers::SOURCE)
        && let Source { topic: Some(topic), partition: Some(partition), offset: Some(offset), .. } = source
    {
        record.headers.push(headers::SOURCE, format!("{topic}/{partition}/{offset}"));
    }
    Ok(())
}

/// What mending changes in one letter's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// The letter.
    pub id: String,
    /// Every place that changes.
    pub changes: Vec<Change>,
}

/// One place of a value, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// JSON pointer.
    pub pointer: String,
    /// What was there; none where nothing was.
    pub before: Option<Value>,
    /// What is there then; none where nothing is.
    pub after: Option<Value>,
}

impl Preview {
    /// What mending changes between the value that the letter brought and the one that is replayed; none where one of them is
    /// no JSON.
    pub fn of(letter: &Letter, before: Option<&[u8]>, after: Option<&[u8]>) -> Option<Self> {
        let (before, after) = (json(before)?, json(after)?);
        let at = |pointer: &str| Change {
            pointer: pointer.to_owned(),
            before: before.pointer(pointer).cloned(),
            after: after.pointer(pointer).cloned(),
        };
        let difference = json_patch::diff(&before, &after);
        let changes = difference.iter().map(|operation| at(operation.path().as_str())).collect();
        Some(Self { id: letter.id.clone(), changes })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture;

    fn patch(operations: &Value) -> Patch {
        Patch::parse(operations.to_string().as_bytes()).expect("a patch")
    }

    #[test]
    fn a_patch_changes_what_it_names_and_nothing_else() {
        let patch = patch(&json!([
            {"op": "test", "path": "/email", "value": "no"},
            {"op": "replace", "path": "/email", "value": "a@b.example"},
            {"op": "remove", "path": "/phone"},
        ]));
        let value = br#"{"phone":"1","post_code":"0015","latitude":-69.82461234567891,"email":"no"}"#;
        let mended: Value = serde_json::from_slice(&patch.apply(Some(value)).expect("mended")).expect("JSON");
        assert_eq!(mended, json!({"email": "a@b.example", "latitude": -69.82461234567891, "post_code": "0015"}));
    }

    #[test]
    fn a_patch_that_does_not_apply_says_where_and_tells_nothing_of_the_value() {
        let patch = patch(&json!([
            {"op": "replace", "path": "/email", "value": "x"},
            {"op": "test", "path": "/dob", "value": "1990"},
        ]));
        let Err(Refusal::PatchDoesNotApply(why)) = patch.apply(Some(br#"{"email":"secret","dob":"secret"}"#)) else {
            panic!("it applied");
        };
        assert!(why.contains("operation 2 at /dob") && !why.contains("secret"), "{why}");
        for no_json in [None, Some(&b"not JSON"[..]), Some(b"\xff")] {
            assert_eq!(patch.apply(no_json), Err(Refusal::NoJson));
        }
    }

    #[test]
    fn what_is_no_patch_is_refused_before_anything_is_looked_at() {
        for text in ["", "{}", "[]", r#"[{"op":"fly","path":"/a"}]"#, r#"[{"op":"add","path":"a","value":1}]"#] {
            assert!(Patch::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Patch::read("no such file").is_err_and(|error| error.contains("No such file")));
    }

    #[test]
    fn the_hash_is_that_of_the_patch_and_not_of_how_it_is_written() {
        let written = r#"[ {"path":"/a","op":"replace", "value":{"y":1,"x":[true,null]}} ]"#;
        let other = r#"[{"op":"replace","path":"/a","value":{"x":[true,null],"y":1}}]"#;
        let [one, two] = [written, other].map(|text| Patch::parse(text.as_bytes()).expect("a patch"));
        assert_eq!(one.sha256(), two.sha256());
        let canonical = r#"[{"op":"replace","path":"/a","value":{"x":[true,null],"y":1}}]"#;
        let digest: String = Sha256::digest(canonical).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(one.sha256(), digest);
        assert_ne!(one.sha256(), patch(&json!([{"op": "remove", "path": "/a"}])).sha256());
    }

    #[test]
    fn a_preview_shows_each_place_before_and_after() {
        let letter = fixture::read_letter(3, 1042, 17);
        let before = br#"{"email":"no","dob":"x","kept":1}"#;
        let after = br#"{"email":"a@b.example","kept":1,"title":"Ms"}"#;
        let mut preview = Preview::of(&letter, Some(before), Some(after)).expect("a preview");
        preview.changes.sort_by(|one, other| one.pointer.cmp(&other.pointer));
        assert_eq!(
            serde_json::to_value(&preview).expect("JSON"),
            json!({"id": "user_data/3/1042", "changes": [
                {"pointer": "/dob", "before": "x", "after": null},
                {"pointer": "/email", "before": "no", "after": "a@b.example"},
                {"pointer": "/title", "before": null, "after": "Ms"},
            ]})
        );
        assert_eq!(Preview::of(&letter, Some(b"no JSON"), Some(after)), None);
    }
}
