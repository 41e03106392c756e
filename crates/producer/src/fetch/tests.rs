use std::time::Duration;

use service::metrics::Metrics;
use service::settings::Reader;
use service::shutdown::Shutdown;

use super::*;
use crate::scripted_api::{Say, ScriptedApi, users};

struct Bench {
    fetcher: Fetcher,
    health: Health,
    metrics: Metrics,
    place: Place,
}

impl Bench {
    fn new(url: &str, further: &[(&str, &str)]) -> Self {
        let mut pairs = vec![
            ("API_BASE_URL", url),
            ("API_BATCH_SIZE", "2"),
            ("API_RETRY_BASE_DELAY", "0.01"),
            ("RETRY_BASE_DELAY", "0.05"),
            ("RETRY_MAX_DELAY", "0.1"),
        ];
        pairs.retain(|(name, _)| further.iter().all(|(other, _)| other != name));
        pairs.extend(further);
        let mut reader = Reader::from_pairs(pairs);
        let settings = ProducerSettings::read(&mut reader);
        reader.finish().expect("settings without problems");
        let (health, metrics) = (Health::new(), Metrics::new());
        let fetcher = Fetcher::new(&settings, health.clone(), ProducerMetrics::new(&metrics)).expect("a client");
        Self { fetcher, health, metrics, place: Place { seed: "abcx".into(), page: 7 } }
    }

    /// Fetches one page within a time that is far from being reached.
    async fn page(&mut self) -> Page {
        self.page_within(Duration::from_secs(20)).await.expect("a page in time")
    }

    async fn page_within(&mut self, time: Duration) -> Option<Page> {
        let bounds = Bounds::new(Shutdown::new(Duration::ZERO), Some(time), self.health.clone());
        self.fetcher.page(&self.place, &bounds).await
    }

    fn requests(&self, outcome: &str) -> u64 {
        let name = format!("sluice_producer_api_requests_total{{outcome=\"{outcome}\"}} ");
        let text = self.metrics.render().expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(&name)).expect("the series");
        line.parse().expect("a number")
    }
}

#[tokio::test]
async fn a_page_is_asked_for_by_number_seed_page_and_nationalities() {
    let api = ScriptedApi::start([]).await;
    let mut bench = Bench::new(&api.url(), &[("API_NATIONALITIES", "us,gb")]);
    assert_eq!(bench.page().await.users.len(), 2);
    let queries: Vec<_> = api.seen().into_iter().map(|seen| seen.query).collect();
    assert_eq!(queries, ["results=2&seed=abcx&page=7&nat=US%2CGB"]);
    assert_eq!(bench.requests("ok"), 1);
}

#[tokio::test]
async fn no_bad_answer_is_taken_for_success() {
    let text = |body: &str| Say::Body(body.to_owned());
    let faults = [
        ("server_error", Say::Status(500, None, "<html>oops</html>")),
        ("server_error", Say::Status(502, None, "<html>Bad Gateway</html>")),
        ("rate_limited", Say::Status(429, None, r#"{"error":"too many"}"#)),
        ("not_json", text("<!DOCTYPE html><html></html>")),
        ("not_json", text(r#"{"results":[{"gender":"ma"#)),
        ("broken", Say::Half),
        ("api_error", text(r#"{"error":"Uh oh, something has gone wrong."}"#)),
        ("contract_violation", Say::Users("abcx", 7, 0, 1)),
        ("contract_violation", Say::Users("abcx", 7, 1, 1)),
        ("contract_violation", Say::Users("abcx", 7, 3, 3)),
        ("contract_violation", Say::Users("other", 7, 2, 2)),
        ("contract_violation", Say::Users("abcx", 1, 2, 2)),
        ("timeout", Say::Silence(Duration::from_secs(30))),
    ];
    for (outcome, fault) in faults {
        let api = ScriptedApi::start([fault.clone()]).await;
        let mut bench = Bench::new(&api.url(), &[("API_TIMEOUT_SECONDS", "0.5")]);
        assert_eq!(bench.page().await.users.len(), 2, "{fault:?}");
        assert_eq!(api.seen().len(), 2, "{fault:?}");
        assert_eq!((bench.requests(outcome), bench.requests("ok")), (1, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn retries_that_are_used_up_are_followed_by_a_longer_wait_and_not_by_giving_up() {
    let trouble = Say::Status(503, None, "");
    let api = ScriptedApi::start(vec![trouble; 5]).await;
    let mut bench =
        Bench::new(&api.url(), &[("API_MAX_RETRIES", "1"), ("RETRY_BASE_DELAY", "0.3"), ("RETRY_MAX_DELAY", "0.3")]);
    bench.page().await;
    let seen = api.seen();
    assert_eq!(seen.len(), 6);
    // A fetch is two requests; between fetches the longer delay lies.
    for pair in [1, 3] {
        let gap = seen[pair + 1].at - seen[pair].at;
        assert!(gap >= Duration::from_millis(290), "{gap:?}");
    }
}

#[tokio::test]
async fn the_wait_that_the_api_asks_for_is_the_least_wait() {
    // The date has whole seconds: two of the three are left at least.
    let date = || {
        let date = chrono::Utc::now() + chrono::TimeDelta::seconds(3);
        date.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    let seconds = || "1".to_owned();
    for (retry_after, least) in [(&seconds as &dyn Fn() -> String, 1000), (&date, 1900)] {
        let retry_after = retry_after();
        let api = ScriptedApi::start([Say::Status(429, Some(retry_after.clone()), "{}")]).await;
        let mut bench = Bench::new(&api.url(), &[]);
        bench.page().await;
        let seen = api.seen();
        let gap = seen[1].at - seen[0].at;
        assert!(gap >= Duration::from_millis(least), "{retry_after}: {gap:?}");
    }
}

#[tokio::test]
async fn while_the_api_is_away_the_service_is_not_ready_and_asks_at_the_pace_of_the_backoff() {
    // A port that was free a moment ago: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let pace = [("API_MAX_RETRIES", "0"), ("RETRY_BASE_DELAY", "0.1"), ("RETRY_MAX_DELAY", "0.1")];
    let mut bench = Bench::new(&format!("http://{free}/api/"), &pace);
    assert!(bench.page_within(Duration::from_secs(1)).await.is_none());
    let tries = bench.requests("unreachable");
    assert!((2..=10).contains(&tries), "{tries} requests in one second");
    let snapshot = bench.health.snapshot();
    assert!(
        !snapshot.ready && snapshot.reasons[0].what == "api" && snapshot.reasons[0].remedy.contains("randomuser-sim")
    );
}

#[tokio::test]
async fn a_refusal_makes_the_service_not_ready_with_a_remedy_until_it_is_mended() {
    let api = ScriptedApi::start([Say::Status(403, None, "")]).await;
    let slow = [("RETRY_BASE_DELAY", "0.5"), ("RETRY_MAX_DELAY", "0.5"), ("API_MAX_RETRIES", "5")];
    let mut bench = Bench::new(&api.url(), &slow);
    assert!(bench.page_within(Duration::from_millis(300)).await.is_none());
    assert_eq!(api.seen().len(), 1, "the quick retries are of no use");
    let snapshot = bench.health.snapshot();
    assert!(!snapshot.ready && snapshot.reasons[0].remedy.contains("API_BASE_URL"), "{snapshot:?}");
    bench.page().await;
    assert!(bench.health.snapshot().ready);
}

#[tokio::test]
async fn the_rate_limit_holds_for_retries_too_and_errors_without_users_are_free() {
    let free = Say::Status(500, None, "");
    let spent = Say::Body(users("abcx", 7, 1, 1));
    let api = ScriptedApi::start([free.clone(), free, spent]).await;
    let limit = [("API_RATE_LIMIT_USERS", "4"), ("API_RATE_LIMIT_WINDOW_SECONDS", "1"), ("API_MAX_RETRIES", "9")];
    let mut bench = Bench::new(&api.url(), &limit);
    // 0, 0 and 2 users, then 2 more: the window is full.
    bench.page().await;
    bench.page().await;
    let seen = api.seen();
    assert_eq!(seen.len(), 5);
    assert!(seen[3].at - seen[0].at < Duration::from_millis(900), "{seen:?}");
    assert!(seen[4].at - seen[2].at > Duration::from_secs(1), "{seen:?}");
}

#[tokio::test]
async fn a_shutdown_cuts_a_fetch_at_once() {
    let api = ScriptedApi::start([Say::Silence(Duration::from_secs(60))]).await;
    let mut bench = Bench::new(&api.url(), &[]);
    let shutdown = Shutdown::new(Duration::ZERO);
    let bounds = Bounds::new(shutdown.clone(), None, bench.health.clone());
    let ask = async {
        while api.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        shutdown.request();
    };
    let (page, ()) = tokio::time::timeout(Duration::from_secs(10), async {
        tokio::join!(bench.fetcher.page(&bench.place, &bounds), ask)
    })
    .await
    .expect("an end well before the answer");
    assert!(page.is_none());
}
