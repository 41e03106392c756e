//! Asks until the page is here: within the rate limit, with retries, and with a longer wait once these are used up.

use schema::api::Page;
use service::backoff::RetrySettings;
use service::health::Health;
use tokio::time::Instant;

use crate::bounds::Bounds;
use crate::cursor::Place;
use crate::metrics::ProducerMetrics;
use crate::rate_limit::RateLimit;
use crate::request::{Api, ApiError, RequestError};
use crate::settings::ProducerSettings;

const API: &str = "api";

/// Fetches pages, one at a time.
#[derive(Debug)]
pub struct Fetcher {
    api: Api,
    limit: RateLimit,
    users: u32,
    max_retries: u32,
    delays: service::backoff::Delays,
    retry: RetrySettings,
    health: Health,
    metrics: ProducerMetrics,
}

impl Fetcher {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(settings: &ProducerSettings, health: Health, metrics: ProducerMetrics) -> Result<Self, ApiError> {
        let api = &settings.api;
        Ok(Self {
            api: Api::new(api)?,
            limit: RateLimit::new(api.rate_limit_users, api.rate_limit_window),
            users: api.batch_size,
            max_retries: api.max_retries,
            delays: settings.fetch_delays(),
            retry: settings.retry,
            health,
            metrics,
        })
    }

    /// The page `place`, as it was asked for; none when the run's bounds are reached first.
    pub async fn page(&mut self, place: &Place, bounds: &Bounds) -> Option<Page> {
        let mut long = self.retry.delays();
        loop {
            self.delays.reset();
            for attempt in 0..=self.max_retries {
                let error = match self.ask(place, bounds).await? {
                    Ok(page) => return Some(page),
                    Err(error) => error,
                };
                let used_up = attempt == self.max_retries || error.is_misconfigured();
                let delay = if used_up { long.next() } else { self.delays.next() };
                let wait = delay.max(error.retry_after().unwrap_or_default());
                self.health.not_ready(API, error.to_string(), error.remedy());
                tracing::warn!(
                    %error,
                    kind = error.kind(),
                    page = place.page,
                    attempt,
                    used_up,
                    wait_seconds = wait.as_secs_f64(),
                    remedy = error.is_misconfigured().then(|| error.remedy()),
                    "fetch failed"
                );
                bounds.sleep(wait).await?;
                if used_up {
                    break;
                }
            }
        }
    }

    /// One request, as soon as the rate limit has room for its users.
    async fn ask(&mut self, place: &Place, bounds: &Bounds) -> Option<Result<Page, RequestError>> {
        loop {
            let wait = self.limit.wait(self.users, now());
            if wait.is_zero() {
                break;
            }
            tracing::debug!(wait_seconds = wait.as_secs_f64(), "waiting for the rate limit");
            bounds.sleep(wait).await?;
        }
        let began = Instant::now();
        self.limit.charge(self.users, began.into_std());
        let outcome = bounds.cut(self.api.page(place, self.users)).await?;
        match &outcome {
            Ok(_) => {
                self.limit.answered(now());
                if self.health.ready(API) {
                    tracing::info!("the API answers again");
                }
            }
            Err(error) if error.may_have_cost_users() => self.limit.answered(now()),
            Err(_) => self.limit.refund(),
        }
        let kind = outcome.as_ref().map_or_else(RequestError::kind, |_| "ok");
        self.metrics.requested(kind, began.elapsed());
        Some(outcome)
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

#[cfg(test)]
mod tests;
