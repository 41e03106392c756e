//! One request to the API and what came of it.

use std::time::Duration;

use chrono::Utc;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use schema::api::Page;
use service::telemetry::chain;
use service::version::VERSION;

use crate::answer::{self, AnswerError};
use crate::cursor::Place;
use crate::retry_after;
use crate::settings::ApiSettings;

/// An answer that is larger than this is none; 5000 users are about 6 MB.
const LARGEST_ANSWER: usize = 64 << 20;

/// The API behind its address.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    base_url: Url,
    nationalities: Option<String>,
}

/// The HTTP client cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be built")]
pub struct ApiError(#[source] reqwest::Error);

/// A request brought no page.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No connection: refused, no such name, TLS.
    #[error("the API cannot be reached: {0}")]
    Unreachable(String),
    /// No complete answer in time.
    #[error("the API did not answer within API_TIMEOUT_SECONDS")]
    Timeout,
    /// The connection broke before the answer was complete.
    #[error("the answer broke off: {0}")]
    Broken(String),
    /// 429, or 503 with a `Retry-After`.
    #[error("the API's rate limit is reached ({status})")]
    RateLimited {
        /// The status.
        status: StatusCode,
        /// How long the API wants to be left alone, where it says so.
        retry_after: Option<Duration>,
    },
    /// 408 or 5xx.
    #[error("the API is in trouble ({status})")]
    Server {
        /// The status.
        status: StatusCode,
    },
    /// Any other status: the request itself is not welcome.
    #[error("the API refuses the request ({status})")]
    Refused {
        /// The status.
        status: StatusCode,
    },
    /// A complete answer that is not what was asked for.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

impl RequestError {
    /// The label of the metric.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Timeout => "timeout",
            Self::Broken(_) => "broken",
            Self::RateLimited { .. } => "rate_limited",
            Self::Server { .. } => "server_error",
            Self::Refused { .. } => "refused",
            Self::Answer(error) => error.kind(),
        }
    }

    /// The least wait that the API asked for.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } => *retry_after,
            Self::Unreachable(_)
            | Self::Timeout
            | Self::Broken(_)
            | Self::Server { .. }
            | Self::Refused { .. }
            | Self::Answer(_) => None,
        }
    }

    /// Whether a person has to mend something; trying again soon is of no use then.
    pub fn is_misconfigured(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Whether the API can have counted users for it.
    pub fn may_have_cost_users(&self) -> bool {
        match self {
            Self::Timeout | Self::Broken(_) | Self::Answer(_) => true,
            Self::Unreachable(_) | Self::RateLimited { .. } | Self::Server { .. } | Self::Refused { .. } => false,
        }
    }

    /// What mends it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Refused { .. } => {
                "check API_BASE_URL; the public API refuses the addresses of cloud providers: use another network or \
                 randomuser-sim; it goes on by itself"
            }
            Self::RateLimited { .. } => {
                "nothing, it goes on by itself; lower API_RATE_LIMIT_USERS where others share this address"
            }
            Self::Unreachable(_) | Self::Timeout | Self::Broken(_) | Self::Server { .. } | Self::Answer(_) => {
                "wait for the API, or point API_BASE_URL at randomuser-sim; it goes on by itself"
            }
        }
    }
}

impl Api {
    /// Builds the client; connections are made when they are needed.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn new(settings: &ApiSettings) -> Result<Self, ApiError> {
        let mut client = Client::builder()
            .user_agent(format!("sluice-producer/{VERSION}"))
            .timeout(settings.timeout)
            // The API is asked now and then; an idle connection that the other side has dropped costs a retry.
            .pool_idle_timeout(Duration::from_secs(15));
        if is_loopback(&settings.base_url) {
            client = client.no_proxy();
        }
        Ok(Self {
            client: client.build().map_err(ApiError)?,
            base_url: settings.base_url.clone(),
            nationalities: settings.nationalities.clone(),
        })
    }

    /// Asks for `users` users of the page `place`, once.
    ///
    /// # Errors
    /// Whatever keeps that page from being here.
    pub async fn page(&self, place: &Place, users: u32) -> Result<Page, RequestError> {
        let mut url = self.base_url.clone();
        url.query_pairs_mut()
            .append_pair("results", &users.to_string())
            .append_pair("seed", &place.seed)
            .append_pair("page", &place.page.to_string());
        if let Some(codes) = &self.nationalities {
            url.query_pairs_mut().append_pair("nat", codes);
        }
        let mut response = self.client.get(url).send().await.map_err(of_transport)?;
        check_status(response.status(), response.headers())?;
        let body = body(&mut response).await?;
        Ok(answer::read(&body, place, users)?)
    }
}

fn is_loopback(url: &Url) -> bool {
    // Addresses of version 6 stand in brackets.
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

fn check_status(status: StatusCode, headers: &HeaderMap) -> Result<(), RequestError> {
    let retry_after = headers.get(RETRY_AFTER).and_then(|value| retry_after::parse(value.to_str().ok()?, Utc::now()));
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::TOO_MANY_REQUESTS => Err(RequestError::RateLimited { status, retry_after }),
        StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => {
            Err(RequestError::RateLimited { status, retry_after })
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => Err(RequestError::Server { status }),
        _ if status.is_server_error() => Err(RequestError::Server { status }),
        _ => Err(RequestError::Refused { status }),
    }
}

async fn body(response: &mut Response) -> Result<Vec<u8>, RequestError> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let mut body = Vec::with_capacity(announced.min(LARGEST_ANSWER));
    while let Some(chunk) = response.chunk().await.map_err(of_body)? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(RequestError::Broken(format!("it is larger than {LARGEST_ANSWER} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn of_transport(error: reqwest::Error) -> RequestError {
    let error = error.without_url();
    if error.is_connect() {
        RequestError::Unreachable(chain(&error))
    } else if error.is_timeout() {
        RequestError::Timeout
    } else {
        RequestError::Broken(chain(&error))
    }
}

fn of_body(error: reqwest::Error) -> RequestError {
    if error.is_timeout() { RequestError::Timeout } else { RequestError::Broken(chain(&error.without_url())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_trouble_a_limit_or_a_refusal() {
        let kind = |status: u16, retry_after: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = retry_after {
                headers.insert(RETRY_AFTER, value.parse().expect("a header"));
            }
            let result = check_status(StatusCode::from_u16(status).expect("a status"), &headers);
            result.map_err(|error| (error.kind(), error.retry_after().map(|wait| wait.as_secs())))
        };
        assert_eq!(kind(200, None), Ok(()));
        assert_eq!(kind(429, None), Err(("rate_limited", None)));
        assert_eq!(kind(429, Some("7")), Err(("rate_limited", Some(7))));
        assert_eq!(kind(503, Some("7")), Err(("rate_limited", Some(7))));
        for trouble in [408, 425, 500, 502, 503, 504] {
            assert_eq!(kind(trouble, None), Err(("server_error", None)));
        }
        for refusal in [301, 400, 401, 403, 404, 410] {
            assert_eq!(kind(refusal, None), Err(("refused", None)));
        }
    }

    #[test]
    fn loopback_is_asked_without_a_proxy() {
        for (url, loopback) in [
            ("http://127.0.0.1:8010/api/", true),
            ("http://localhost:8010/api/", true),
            ("http://[::1]:8010/api/", true),
            ("https://randomuser.me/api/", false),
            ("http://randomuser-sim:8010/api/", false),
        ] {
            assert_eq!(is_loopback(&url.parse().expect("a URL")), loopback, "{url}");
        }
    }
}
