//! Settings of every service: lines `NAME: value` are the environment, the body is the TOML file. They are used or refused, and
//! no secret shows either way.

use std::cell::RefCell;
use std::fmt::Debug;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};

use dlq_replayer::DlqReplayer;
use producer::UserProducer;
use service::admin::AdminSettings;
use service::process::Service;
use service::settings::Reader;
use service::settings::catalogue::variable;
use service::telemetry::TelemetrySettings;
use stream_processor::StreamProcessor;
use tempfile::NamedTempFile;

use crate::SECRET;
use crate::envelope::Envelope;

thread_local! {
    /// The file of settings, made once a thread: making one takes longer than reading it.
    static FILE: RefCell<NamedTempFile> = RefCell::new(NamedTempFile::new().expect("a file"));
}

pub(crate) fn decode(input: &[u8]) {
    let envelope = Envelope::open(input);
    let body = String::from_utf8_lossy(envelope.body);
    let mut pairs = Vec::new();
    for (name, value) in &envelope.lines {
        let Some(Ok(value)) = value.map(std::str::from_utf8) else { continue };
        if !leads_elsewhere(name) && !leads_elsewhere(value) {
            pairs.push((name.as_ref(), value));
        }
    }
    // A name is shown as it is, to tell that nobody knows it.
    let is_open = |(name, value): &(&str, &str)| name.contains(SECRET) || value.contains(SECRET) && !is_secret(name);
    let secret_is_open = pairs.iter().any(is_open)
        || body
            .lines()
            .any(|line| line.contains(SECRET) && !line.split_once(" = ").is_some_and(|(name, _)| is_secret(name)));
    FILE.with_borrow_mut(move |file| {
        let path = file.path().to_str().expect("a path of text").to_owned();
        let mut pairs = pairs.clone();
        if !body.is_empty() && !leads_elsewhere(&body) {
            write(file.as_file_mut(), envelope.body).expect("a file that can be written");
            pairs.push(("SLUICE_CONFIG", &path));
        }
        for shown in [read::<UserProducer>(&pairs), read::<StreamProcessor>(&pairs), read::<DlqReplayer>(&pairs)] {
            assert!(secret_is_open || !shown.contains(SECRET), "a secret shows: {shown}");
        }
    });
}

/// The settings of a service as its process reads them, and everything of them that may be shown.
fn read<S: Service<Settings: Debug>>(pairs: &[(&str, &str)]) -> String {
    let mut reader = Reader::from_pairs(pairs.iter().copied());
    reader.default_to("ADMIN_ADDR", S::ADMIN_ADDR);
    let settings = S::settings(&mut reader);
    let (telemetry, admin) = (TelemetrySettings::read(&mut reader), AdminSettings::read(&mut reader));
    let shown = format!("{reader:?} {settings:?} {telemetry:?} {admin:?}");
    match reader.finish() {
        Ok(effective) => {
            // Whatever was accepted can be used: this one builds the filter of the log.
            drop(telemetry.subscriber(S::NAME, std::io::sink));
            format!("{shown} {effective} {effective:?}")
        }
        Err(error) => {
            assert!(!error.problems.is_empty() && error.problems.iter().all(|problem| !problem.accepted.is_empty()));
            format!("{shown} {error} {error:?}")
        }
    }
}

/// Whether the text names files or libraries of this machine, which are not to be opened for a test.
fn leads_elsewhere(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("_file") || text.contains("sluice_config") || text.contains("plugin.")
}

fn is_secret(name: &str) -> bool {
    variable(&name.to_ascii_uppercase()).is_some_and(|variable| variable.secret)
}

fn write(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytes)
}
