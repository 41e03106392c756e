//! Logs: events to standard output, one line each.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Builder as FilterBuilder;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use crate::settings::Reader;

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogFormat {
    Json,
    Text,
}

/// `LOG_LEVEL` and `LOG_FORMAT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetrySettings {
    directives: String,
    format: LogFormat,
}

impl TelemetrySettings {
    /// Reads both variables. A Python format, as an older pipeline has it, means JSON.
    pub fn read(reader: &mut Reader) -> Self {
        let directives = reader
            .parse("LOG_LEVEL", "trace, debug, info, warn, error, off or a filter such as info,kafka=debug", directives)
            .unwrap_or_default();
        let mut python = false;
        let format = reader.parse("LOG_FORMAT", "json or text", |text| {
            python = text.contains("%(");
            match text.to_ascii_lowercase().as_str() {
                "json" => Some(LogFormat::Json),
                "text" => Some(LogFormat::Text),
                _ => python.then_some(LogFormat::Json),
            }
        });
        if python {
            reader.warn("LOG_FORMAT", "a Python format is taken for json; json and text are known");
        }
        Self { directives, format: format.unwrap_or(LogFormat::Json) }
    }

    /// The subscriber that writes events of `service` to `writer`.
    pub fn subscriber<W>(&self, service: &'static str, writer: W) -> Box<dyn Subscriber + Send + Sync>
    where
        W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
    {
        let filter = filters().parse_lossy(with_quiet_libraries(&self.directives));
        let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
        match self.format {
            LogFormat::Text => Box::new(tracing_subscriber::registry().with(filter).with(lines)),
            LogFormat::Json => {
                let format = Named { service, json: Format::default().json().flatten_event(true) };
                let lines = lines.fmt_fields(JsonFields::new()).event_format(format);
                Box::new(tracing_subscriber::registry().with(filter).with(lines))
            }
        }
    }
}

/// An everyday level, less what the CQL driver repeats every few seconds while a node is away: whoever needs the node says so
/// once. `debug`, `trace` and every filter show it.
fn with_quiet_libraries(directives: &str) -> String {
    match directives {
        "info" | "warn" | "error" => format!("{directives},scylla=off"),
        _ => directives.to_owned(),
    }
}

/// Directives of a tracing filter from `LOG_LEVEL`, with the level names of other languages.
fn directives(text: &str) -> Option<String> {
    let level = match text.to_ascii_lowercase().as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        level @ ("trace" | "debug" | "info" | "warn" | "error" | "off") => level.to_owned(),
        // A lone word is a target to the filter, so a misspelt level would silence everything.
        _ if !text.contains('=') => return None,
        _ => text.to_owned(),
    };
    filters().parse(&level).ok().map(|_| level)
}

/// Values of fields in a filter are texts. As regular expressions, which they are without this, a few dozen bytes of one can take
/// all memory: the automaton is built whole.
fn filters() -> FilterBuilder {
    EnvFilter::builder().with_regex(false)
}

/// The JSON format with the name of the service in every line.
struct Named {
    service: &'static str,
    json: Format<Json>,
}

impl<S> FormatEvent<S, JsonFields> for Named
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::with_capacity(256);
        self.json.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(fields) => write!(writer, "{{\"service\":\"{}\",{fields}", self.service),
            None => writer.write_str(&line),
        }
    }
}

/// An error and everything that caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        // Many errors already show their source.
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}

/// Logs a panic by its place. Its message may quote a user's value, so it is left out.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        let thread = std::thread::current();
        tracing::error!(location, thread = thread.name(), "a task panicked");
    }));
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn levels_are_known_by_the_names_of_other_languages_in_any_case() {
        for (given, meant) in [("INFO", "info"), ("Warning", "warn"), ("CRITICAL", "error"), ("DEBUG", "debug")] {
            assert_eq!(directives(given).as_deref(), Some(meant));
        }
        assert_eq!(directives("info,kafka=debug").as_deref(), Some("info,kafka=debug"));
        for wrong in ["", "loud", "kafka", "kafka=loud"] {
            assert_eq!(directives(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_python_format_means_json_with_a_warning() {
        let mut reader = Reader::from_pairs([("LOG_FORMAT", "%(asctime)s - %(message)s")]);
        let settings = TelemetrySettings::read(&mut reader);
        assert_eq!(settings.format, LogFormat::Json);
        assert_eq!(reader.finish().expect("no problems").warnings.len(), 1);
    }

    fn written(format: &str) -> String {
        let mut reader = Reader::from_pairs([("LOG_FORMAT", format), ("LOG_LEVEL", "info")]);
        let settings = TelemetrySettings::read(&mut reader);
        let buffer = Buffer::default();
        let writer = buffer.clone();
        tracing::subscriber::with_default(settings.subscriber("thing", move || writer.clone()), || {
            tracing::info!(users = 3, "page \"finished\"");
            tracing::debug!("not shown");
        });
        let bytes = buffer.0.lock().expect("the buffer").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn an_event_is_one_flat_json_line_that_names_the_service() {
        let line: serde_json::Value = serde_json::from_str(&written("json")).expect("one JSON line");
        assert_eq!((&line["service"], &line["level"]), (&"thing".into(), &"INFO".into()));
        assert_eq!((&line["users"], &line["message"]), (&3.into(), &"page \"finished\"".into()));
    }

    #[test]
    fn text_is_one_line_without_colour() {
        let text = written("TEXT");
        assert!(
            text.ends_with("users=3\n") && text.contains("page \"finished\"") && !text.contains('\u{1b}'),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn an_error_is_told_with_its_causes_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] io::Error);
        assert_eq!(chain(&Outer(io::Error::other("inner"))), "outer: inner");
        #[derive(Debug, thiserror::Error)]
        #[error("outer: {0}")]
        struct Shown(#[source] io::Error);
        assert_eq!(chain(&Shown(io::Error::other("inner"))), "outer: inner");
    }

    #[derive(Debug, Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("the buffer").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
