//! Where values come from: the environment, over a file, over the defaults.

use std::collections::HashMap;
use std::ffi::OsString;

use config::builder::DefaultState;
use config::{Config, ConfigBuilder, ConfigError, Environment, File, FileFormat, Map, Source as _, Value, ValueKind};

use super::catalogue;

/// The variable that names the file; it is read from the environment alone.
const FILE_VARIABLE: &str = "SLUICE_CONFIG";

/// Everything that was given, and what was wrong with giving it.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Values by name in lower case.
    pub(super) values: HashMap<String, String>,
    /// Names in upper case that look like ours and are none.
    pub(super) unknown: Vec<String>,
    /// Variable, value as it may be shown, what is accepted.
    pub(super) unreadable: Vec<(String, Option<String>, String)>,
}

/// The process's environment: the one place that reads it.
#[expect(clippy::disallowed_methods, reason = "this is the place the ban points to")]
pub(super) fn environment() -> Vec<(String, OsString)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect()
}

impl Source {
    /// Layers `pairs` over the file that they name. An empty value counts as unset.
    pub(super) fn layered(pairs: Vec<(String, OsString)>) -> Self {
        let mut source = Self::default();
        let mut environment = Map::new();
        for (name, value) in pairs {
            if !catalogue::is_known(&name) {
                if catalogue::looks_like_ours(&name) && !value.is_empty() {
                    source.unknown.push(name);
                }
                continue;
            }
            match value.into_string() {
                Ok(value) => {
                    environment.insert(name, value);
                }
                Err(_) => source.unreadable.push((name, None, "UTF-8 text".to_owned())),
            }
        }
        let file = environment.get(FILE_VARIABLE).filter(|path| !path.is_empty()).cloned();
        let environment = Environment::default().ignore_empty(true).source(Some(environment));

        let mut layers = Config::builder();
        if let Some(path) = file {
            match read(&path).and_then(|values| source.file_layer(values)) {
                Ok(layer) => layers = layer,
                Err(error) => source.unreadable.push((
                    FILE_VARIABLE.to_owned(),
                    Some(path),
                    format!("a readable TOML file: {}", first_line(&error)),
                )),
            }
        }
        match layers.add_source(environment).build().and_then(|config| config.collect()) {
            Ok(values) => source.take(values),
            Err(error) => source.unreadable.push((FILE_VARIABLE.to_owned(), None, first_line(&error))),
        }
        source.unknown.sort();
        source
    }

    /// The file's values as the lowest layer; names that are none of ours are noted.
    fn file_layer(&mut self, values: Map<String, Value>) -> Result<ConfigBuilder<DefaultState>, ConfigError> {
        let mut layer = Config::builder();
        for (key, value) in values {
            let name = key.to_uppercase();
            if catalogue::is_known(&name) {
                layer = layer.set_default(key.to_lowercase(), value)?;
            } else {
                self.unknown.push(name);
            }
        }
        Ok(layer)
    }

    fn take(&mut self, values: Map<String, Value>) {
        for (key, value) in values {
            match text(value) {
                Some(value) if value.is_empty() => {}
                Some(value) => {
                    self.values.insert(key, value);
                }
                None => {
                    self.unreadable.push((key.to_uppercase(), None, "text, a number or a list of these".to_owned()));
                }
            }
        }
    }
}

fn read(path: &str) -> Result<Map<String, Value>, ConfigError> {
    let file = File::new(path, FileFormat::Toml);
    Config::builder().add_source(file).build()?.collect()
}

/// A scalar as text; a list as its scalars separated by commas, as in the environment.
fn text(value: Value) -> Option<String> {
    if let ValueKind::Array(items) = value.kind {
        let items: Option<Vec<String>> = items.into_iter().map(|item| item.into_string().ok()).collect();
        return items.map(|items| items.join(","));
    }
    value.into_string().ok()
}

/// A parser's message without the excerpt that follows it: the excerpt quotes the file, secrets included.
fn first_line(error: &ConfigError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
