//! What the producer reads from its settings.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::Utc;
use chrono_tz::Tz;
use kafka::KafkaSettings;
use reqwest::Url;
use service::backoff::{Delays, RetrySettings};
use service::settings::Reader;

use crate::schedule::{Mode, Times, pattern};

/// The codes the API knows. One bad code voids the whole list there, silently.
const NATIONALITIES: [&str; 21] = [
    "AU", "BR", "CA", "CH", "DE", "DK", "ES", "FI", "FR", "GB", "IE", "IN", "IR", "MX", "NL", "NO", "NZ", "RS", "TR",
    "UA", "US",
];

/// The API answers a request for more with a single user, silently.
const LARGEST_PAGE: u32 = 5000;

/// Everything the producer reads.
#[derive(Debug, Clone)]
pub struct ProducerSettings {
    /// Where records and dead letters go.
    pub kafka: KafkaSettings,
    /// Where users come from.
    pub api: ApiSettings,
    /// Under which the place in the API is kept.
    pub name: String,
    /// Whether a page and the place behind it become visible together.
    pub transactions: bool,
    /// Waits for a dependency that is away.
    pub retry: RetrySettings,
    /// When runs start.
    pub mode: Mode,
    /// Pages after which a run ends.
    pub batches: Option<NonZeroU32>,
    /// Time after which a run ends.
    pub duration: Option<Duration>,
}

/// The API and how it is treated.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Its address, without a query.
    pub base_url: Url,
    /// Time for one request.
    pub timeout: Duration,
    /// Retries within one fetch.
    pub max_retries: u32,
    /// Delay before retry 0 of a fetch, less the jitter.
    pub retry_base: Duration,
    /// Users of one page.
    pub batch_size: u32,
    /// The seed to begin with; none for a random one.
    pub seed: Option<String>,
    /// Comma-separated codes in upper case; none for all.
    pub nationalities: Option<String>,
    /// Users in any window.
    pub rate_limit_users: u32,
    /// That window's length.
    pub rate_limit_window: Duration,
}

impl ProducerSettings {
    /// Reads all of them; problems are collected in `reader`.
    pub fn read(reader: &mut Reader) -> Self {
        let duration = reader.seconds("STREAMING_DURATION_SECONDS", 0.0..=31_536_000.0);
        let duration = (!duration.is_zero()).then_some(duration);
        if duration.is_some() {
            reader.default_to("PRODUCER_BATCHES", "0");
        }
        Self {
            kafka: KafkaSettings::read(reader),
            api: ApiSettings::read(reader),
            name: reader.text("PRODUCER_NAME"),
            transactions: reader
                .parse("PRODUCER_TRANSACTIONS", "on or off", |text| match text.to_lowercase().as_str() {
                    "on" => Some(true),
                    "off" => Some(false),
                    _ => None,
                })
                .unwrap_or(true),
            retry: RetrySettings::read(reader),
            mode: mode(reader),
            batches: NonZeroU32::new(reader.number("PRODUCER_BATCHES", 0..=u32::MAX)),
            duration,
        }
    }

    /// The topics that are needed, in the order in which their absence is told.
    pub fn topics(&self) -> [&str; 3] {
        let topics = &self.kafka.topics;
        [&topics.user_data, &topics.dlq, &topics.cursor]
    }

    /// Delays between the retries of one fetch.
    pub fn fetch_delays(&self) -> Delays {
        Delays::new(self.api.retry_base, self.retry.max, self.retry.exponential_base)
    }
}

impl ApiSettings {
    fn read(reader: &mut Reader) -> Self {
        let base_url =
            reader.parse("API_BASE_URL", "an http or https URL without user name, query and fragment", base_url);
        let batch_size = reader.number("API_BATCH_SIZE", 1..=LARGEST_PAGE);
        let rate_limit_users = reader.number("API_RATE_LIMIT_USERS", 1..=u32::MAX);
        if rate_limit_users != 0 && batch_size > rate_limit_users {
            reader.problem("API_BATCH_SIZE", format!("at most API_RATE_LIMIT_USERS, which is {rate_limit_users}"));
        }
        let seed = reader.optional("API_SEED");
        if seed.as_ref().is_some_and(|seed| seed.chars().count() == 18) {
            reader.problem(
                "API_SEED",
                "any length but 18 characters: of those the API takes the last two for a nationality",
            );
        }
        if seed.as_ref().is_some_and(|seed| !seed.ends_with(|last: char| last.is_ascii_alphabetic())) {
            reader.warn("API_SEED", "the seed does not end in a letter: its pages overlap with those of other seeds");
        }
        let accepted = format!("codes of {}, comma separated", NATIONALITIES.join(", "));
        let nationalities = reader.parse("API_NATIONALITIES", accepted, nationalities);
        Self {
            base_url: base_url.unwrap_or_else(stand_in),
            timeout: reader.seconds("API_TIMEOUT_SECONDS", 0.1..=3600.0),
            max_retries: reader.number("API_MAX_RETRIES", 0..=1000),
            retry_base: reader.seconds("API_RETRY_BASE_DELAY", 0.001..=3600.0),
            batch_size,
            seed,
            nationalities: nationalities.filter(|codes| !codes.is_empty()),
            rate_limit_users,
            rate_limit_window: reader.seconds("API_RATE_LIMIT_WINDOW_SECONDS", 0.001..=86_400.0),
        }
    }
}

fn base_url(text: &str) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && plain && url.fragment().is_none()).then_some(url)
}

/// In the place of a URL that was refused; the settings are not used then.
#[expect(clippy::expect_used, reason = "the text is a constant, and a URL")]
fn stand_in() -> Url {
    "http://localhost/".parse().expect("a URL")
}

fn nationalities(text: &str) -> Option<String> {
    let codes: Vec<String> =
        text.split(',').map(|code| code.trim().to_uppercase()).filter(|code| !code.is_empty()).collect();
    codes.iter().all(|code| NATIONALITIES.contains(&code.as_str())).then(|| codes.join(","))
}

fn mode(reader: &mut Reader) -> Mode {
    let interval = reader.seconds("PRODUCER_INTERVAL_SECONDS", 0.001..=31_536_000.0);
    let zone = reader.parse("PRODUCER_CRON_TIMEZONE", "an IANA name such as Europe/Berlin", |text| text.parse().ok());
    let accepted = "5 or 6 fields (seconds first) or a nickname such as @daily, with a time that comes about";
    let times =
        reader.parse("PRODUCER_CRON", accepted, |text| Times::new(pattern(text)?, zone.unwrap_or(Tz::UTC), Utc::now()));
    let mode = reader.parse("PRODUCER_MODE", "once, interval or cron", |text| match text.to_lowercase().as_str() {
        "once" => Some(Mode::Once),
        "interval" => Some(Mode::Interval(interval)),
        "cron" => Some(times.map_or(Mode::Once, |times| Mode::Cron(Box::new(times)))),
        _ => None,
    });
    mode.unwrap_or(Mode::Once)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ProducerSettings, Vec<String>> {
        let mut reader = Reader::from_pairs(pairs.iter().copied());
        let settings = ProducerSettings::read(&mut reader);
        reader.finish().map(|_| settings).map_err(|error| error.problems.iter().map(|it| it.variable.clone()).collect())
    }

    #[test]
    fn the_defaults_are_a_page_of_a_hundred_every_ten_seconds() {
        let settings = read(&[]).expect("no problems");
        assert_eq!(settings.api.base_url.as_str(), "https://randomuser.me/api/");
        assert_eq!((settings.api.batch_size, settings.api.rate_limit_users), (100, 20_000));
        assert_eq!(settings.mode, Mode::Interval(Duration::from_secs(10)));
        assert_eq!((settings.batches, settings.duration), (NonZeroU32::new(1), None));
        assert_eq!((settings.api.seed, settings.api.nationalities), (None, None));
        assert_eq!((settings.name.as_str(), settings.transactions), ("producer", true));
    }

    #[test]
    fn a_set_duration_makes_the_number_of_pages_unlimited_unless_that_is_set_too() {
        let settings = read(&[("STREAMING_DURATION_SECONDS", "60")]).expect("no problems");
        assert_eq!((settings.batches, settings.duration), (None, Some(Duration::from_secs(60))));
        let settings = read(&[("STREAMING_DURATION_SECONDS", "60"), ("PRODUCER_BATCHES", "5")]).expect("no problems");
        assert_eq!(settings.batches, NonZeroU32::new(5));
    }

    #[test]
    fn a_page_larger_than_the_rate_limit_could_never_be_fetched() {
        assert_eq!(
            read(&[("API_BATCH_SIZE", "200"), ("API_RATE_LIMIT_USERS", "100")]).err(),
            Some(vec!["API_BATCH_SIZE".into()])
        );
        assert!(read(&[("API_BATCH_SIZE", "100"), ("API_RATE_LIMIT_USERS", "100")]).is_ok());
        assert_eq!(read(&[("API_BATCH_SIZE", "5001")]).err(), Some(vec!["API_BATCH_SIZE".into()]));
    }

    #[test]
    fn one_bad_nationality_is_refused_because_the_api_would_drop_them_all() {
        let settings = read(&[("API_NATIONALITIES", "us, GB,")]).expect("no problems");
        assert_eq!(settings.api.nationalities.as_deref(), Some("US,GB"));
        assert!(read(&[("API_NATIONALITIES", "us,xx")]).is_err());
    }

    #[test]
    fn every_wrong_setting_is_told() {
        let wrong = read(&[
            ("API_BASE_URL", "ftp://host/"),
            ("PRODUCER_MODE", "sometimes"),
            ("PRODUCER_CRON", "0 0 31 2 *"),
            ("PRODUCER_CRON_TIMEZONE", "Berlin"),
            ("PRODUCER_INTERVAL_SECONDS", "0"),
            ("PRODUCER_TRANSACTIONS", "perhaps"),
        ]);
        let mut wrong = wrong.expect_err("problems");
        wrong.sort();
        assert_eq!(
            wrong,
            [
                "API_BASE_URL",
                "PRODUCER_CRON",
                "PRODUCER_CRON_TIMEZONE",
                "PRODUCER_INTERVAL_SECONDS",
                "PRODUCER_MODE",
                "PRODUCER_TRANSACTIONS",
            ]
        );
        for url in ["https://me:pw@host/", "https://host/?a=b", "https://host/#a", "host:80", "nonsense"] {
            assert!(read(&[("API_BASE_URL", url)]).is_err(), "{url}");
        }
    }

    #[test]
    fn a_seed_is_used_as_it_is_with_a_warning_where_it_ends_in_no_letter() {
        for (seed, warnings) in [("abc", 0), ("abc1", 1), ("ab ", 1)] {
            let mut reader = Reader::from_pairs([("API_SEED", seed)]);
            assert_eq!(ProducerSettings::read(&mut reader).api.seed.as_deref(), Some(seed));
            assert_eq!(reader.finish().expect("no problems").warnings.len(), warnings, "{seed}");
        }
    }
}
