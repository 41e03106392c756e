//! The reader every crate asks for its settings.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::catalogue::{self, Variable};
use super::effective::{Effective, Entry, Warning};
use super::problem::{Problem, SettingsError};
use super::secret::{REDACTED, Secret, showable};
use super::source::{self, Source};

/// Settings in layers: the environment, over the file that `SLUICE_CONFIG` names, over the catalogue's defaults.
///
/// A wrong value is noted and a stand-in is returned, so that reading goes on and [`Reader::finish`] tells every problem at
/// once. An empty value counts as unset. Asking for a name that the catalogue does not hold is a problem too.
pub struct Reader {
    given: HashMap<String, String>,
    defaults: BTreeMap<&'static str, String>,
    /// What was read, as it may be shown.
    read: BTreeMap<&'static str, Option<String>>,
    unknown: Vec<String>,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

impl Reader {
    /// Reads the environment of this process and the file that it names.
    pub fn from_process() -> Self {
        Self::new(source::environment())
    }

    /// Reads `pairs` instead of the environment: for tests.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> Self {
        Self::new(pairs.into_iter().map(|(name, value)| (name.into(), OsString::from(value.into()))).collect())
    }

    fn new(pairs: Vec<(String, OsString)>) -> Self {
        let source = Source::layered(pairs);
        let problems = source
            .unreadable
            .into_iter()
            .map(|(variable, value, accepted)| Problem { variable, value, accepted })
            .collect();
        Self {
            given: source.values,
            defaults: BTreeMap::new(),
            read: BTreeMap::new(),
            unknown: source.unknown,
            problems,
            warnings: Vec::new(),
        }
    }

    /// Puts `default` in the place of the catalogue's default: for a default that depends on the service or on another
    /// variable.
    pub fn default_to(&mut self, name: &'static str, default: impl Into<String>) {
        self.defaults.insert(name, default.into());
    }

    /// Whether the environment or the file gives `name` a value that is not empty.
    pub fn is_set(&self, name: &str) -> bool {
        self.given.contains_key(&name.to_lowercase())
    }

    /// The text of `name`. Where there is neither a value nor a default, that is a problem.
    pub fn text(&mut self, name: &'static str) -> String {
        let value = self.value(name);
        if value.is_none() {
            self.problem(name, unit(name));
        }
        value.unwrap_or_default()
    }

    /// The text of `name`, or `None` where there is neither a value nor a default.
    pub fn optional(&mut self, name: &'static str) -> Option<String> {
        self.value(name)
    }

    /// The secret `name`, given as such or in the file that `<name>_FILE` names (less the line ends at its end).
    pub fn secret(&mut self, name: &'static str) -> Option<Secret> {
        self.value(name).map(Secret::new)
    }

    /// The number `name` within `accepted`; `T::default()` after noting a problem.
    pub fn number<T>(&mut self, name: &'static str, accepted: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display + Copy + Default,
    {
        let number = self.value(name).and_then(|text| text.trim().parse().ok());
        match number {
            Some(number) if accepted.contains(&number) => number,
            _ => {
                let kind = if "0.5".parse::<T>().is_ok() { "a number" } else { "a whole number" };
                let (least, most) = accepted.into_inner();
                self.problem(name, format!("{kind} from {least} to {most} ({})", unit(name)));
                T::default()
            }
        }
    }

    /// The seconds of `name` (fractions allowed) as a duration.
    pub fn seconds(&mut self, name: &'static str, accepted: RangeInclusive<f64>) -> Duration {
        Duration::try_from_secs_f64(self.number(name, accepted)).unwrap_or_default()
    }

    /// The whole milliseconds of `name` as a duration.
    pub fn millis(&mut self, name: &'static str, accepted: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.number(name, accepted))
    }

    /// What `parse` makes of `name` (of "" where there is neither a value nor a default); `None` after noting a problem.
    pub fn parse<T>(
        &mut self,
        name: &'static str,
        accepted: impl Into<String>,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(name).unwrap_or_default();
        let parsed = parse(value.trim());
        if parsed.is_none() {
            self.problem(name, accepted);
        }
        parsed
    }

    /// Notes that the value of `name` cannot be used: for what only its reader knows, such as a bound set by another variable.
    pub fn problem(&mut self, name: &'static str, accepted: impl Into<String>) {
        let value = self.given.get(&name.to_lowercase()).cloned().or_else(|| self.default_of(name));
        let value = value.and_then(|value| Some(shown(catalogue::variable(name)?, &value)));
        self.problems.push(Problem { variable: name.to_owned(), value, accepted: accepted.into() });
    }

    /// Notes what the owner of `name` should know although its value is used.
    pub fn warn(&mut self, name: &'static str, message: impl Into<String>) {
        self.warnings.push(Warning { variable: name.to_owned(), message: message.into(), nearest: None });
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Every problem noted so far.
    pub fn finish(self) -> Result<Effective, SettingsError> {
        if !self.problems.is_empty() {
            return Err(SettingsError { problems: self.problems });
        }
        let entry =
            |variable: &Variable| Some(Entry { name: variable.name, value: self.read.get(variable.name)?.clone() });
        let mut warnings = self.warnings;
        warnings.extend(self.unknown.into_iter().map(|name| Warning {
            message: "unknown variable".to_owned(),
            nearest: catalogue::nearest(&name),
            variable: name,
        }));
        Ok(Effective { entries: catalogue::VARIABLES.iter().filter_map(entry).collect(), warnings })
    }

    fn value(&mut self, name: &'static str) -> Option<String> {
        let Some(variable) = catalogue::variable(name) else {
            self.problems.push(Problem {
                variable: name.to_owned(),
                value: None,
                accepted: "a variable of the catalogue".to_owned(),
            });
            return None;
        };
        let given = self.given.get(&name.to_lowercase()).cloned();
        let given = if variable.secret { self.of_file(name, given) } else { given };
        let value = given.or_else(|| self.default_of(name));
        self.read.insert(name, value.as_deref().map(|value| shown(variable, value)));
        value
    }

    /// The secret in the file that `<name>_FILE` names, where it does; else `direct`.
    fn of_file(&mut self, name: &str, direct: Option<String>) -> Option<String> {
        let variable = format!("{name}_FILE");
        let Some(path) = self.given.get(&variable.to_lowercase()).cloned() else {
            return direct;
        };
        let accepted = if direct.is_some() {
            format!("unset when {name} is set")
        } else {
            match std::fs::read_to_string(&path) {
                Ok(text) => return Some(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(error) => format!("the path of a readable file: {error}"),
            }
        };
        self.problems.push(Problem { variable, value: Some(path), accepted });
        None
    }

    fn default_of(&self, name: &str) -> Option<String> {
        let default = match self.defaults.get(name) {
            Some(default) => default.as_str(),
            None => catalogue::variable(name)?.default,
        };
        (!default.is_empty()).then(|| default.to_owned())
    }
}

/// How a value may be shown.
fn shown(variable: &Variable, value: &str) -> String {
    if variable.secret { REDACTED.to_owned() } else { showable(value) }
}

impl fmt::Debug for Reader {
    /// Says how far the reading is; the values stay out, secrets are among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("read", &self.read).field("problems", &self.problems).finish_non_exhaustive()
    }
}

fn unit(name: &str) -> &'static str {
    catalogue::variable(name).map_or("", |variable| variable.unit)
}
