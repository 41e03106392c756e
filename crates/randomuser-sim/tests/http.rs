//! The API over HTTP: routes, fallbacks, the limit, and every fault as a client meets it.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected ends")]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use randomuser_sim::fault::USUAL_ERROR;
use randomuser_sim::limit::Limit;
use randomuser_sim::stats::Stats;
use randomuser_sim::{Catalogue, Kind, Running, Settings, hostile_kind};
use reqwest::{Client, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A simulator and somebody who asks it.
struct Lab {
    simulator: Running,
    client: Client,
}

impl Lab {
    async fn new() -> Self {
        Self::limited(0, Duration::from_secs(300)).await
    }

    async fn limited(users: u32, window: Duration) -> Self {
        let settings = Settings { limit: Limit { users, window }, ..Settings::for_test() };
        Self { simulator: Running::start(settings).await.unwrap(), client: client() }
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(self.simulator.url(path)).send().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        read(self.get(path).await).await
    }

    async fn put(&self, plan: Value) -> Response {
        self.client.put(self.simulator.url("/faults")).body(plan.to_string()).send().await.unwrap()
    }

    /// Orders one fault for the next answer.
    async fn next(&self, fault: Value) {
        assert_eq!(self.put(json!({ "next": [fault] })).await.status(), 200);
    }

    async fn stats(&self) -> Stats {
        read(self.get("/stats").await).await
    }
}

async fn read<T: DeserializeOwned>(answer: Response) -> T {
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

fn client() -> Client {
    Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap()
}

/// The page that the tests ask for, and what it must be.
const PAGE: &str = "/api/?seed=sluice&page=2&results=5";

fn page() -> Value {
    let catalogue = Catalogue::new();
    (0..5).map(|index| catalogue.user("sluice", 2, index)).collect()
}

#[tokio::test]
async fn both_paths_answer_with_and_without_a_slash() {
    let lab = Lab::new().await;
    for path in ["/api", "/api/", "/api/1.4", "/api/1.4/"] {
        let answer = lab.get(&format!("{path}?seed=sluice&page=2&results=5")).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/json; charset=utf-8");
        let answer: Value = read(answer).await;
        assert_eq!(answer["results"], page());
        assert_eq!(answer["info"], json!({"seed": "sluice", "results": 5, "page": 2, "version": "1.4"}));
    }
    assert_eq!(lab.get("/api/9.9/").await.status(), 404);
}

#[tokio::test]
async fn mistakes_in_parameters_fall_back_silently() {
    let lab = Lab::new().await;
    for (query, results, page) in [
        ("seed=a", 1, 1),
        ("seed=a&results=5000", 5000, 1),
        ("seed=a&results=5001", 1, 1),
        ("seed=a&results=0", 1, 1),
        ("seed=a&results=-1", 1, 1),
        ("seed=a&results=2.5", 1, 1),
        ("seed=a&results=many", 1, 1),
        ("seed=a&page=10000", 1, 10000),
        ("seed=a&page=10001", 1, 1),
        ("seed=a&page=0", 1, 1),
        ("seed=a&page=two", 1, 1),
        ("seed=a&format=csv", 1, 1),
    ] {
        let answer = lab.json(&format!("/api/?{query}")).await;
        assert_eq!(answer["info"], json!({"seed": "a", "results": results, "page": page, "version": "1.4"}), "{query}");
        assert_eq!(answer["results"].as_array().unwrap().len(), results, "{query}");
    }
}

#[tokio::test]
async fn one_bad_nationality_voids_the_list() {
    let lab = Lab::new().await;
    let plain = lab.json(PAGE).await;
    assert_eq!(lab.json(&format!("{PAGE}&nat=xx")).await, plain);
    assert_eq!(lab.json(&format!("{PAGE}&nat=us,xx")).await, plain);
    let swiss = lab.json(&format!("{PAGE}&nat=ch")).await;
    assert!(swiss["results"].as_array().unwrap().iter().all(|user| user["nat"] == "CH"));
}

#[tokio::test]
async fn gender_is_ignored_with_a_seed() {
    let lab = Lab::new().await;
    assert_eq!(lab.json(&format!("{PAGE}&gender=female")).await, lab.json(PAGE).await);
    let men = lab.json("/api/?results=50&gender=male").await;
    assert!(men["results"].as_array().unwrap().iter().all(|user| user["gender"] == "male"));
}

#[tokio::test]
async fn without_a_seed_one_is_made_up_that_gives_the_same_page_again() {
    let lab = Lab::new().await;
    let first = lab.json("/api/?results=3").await;
    let seed = first["info"]["seed"].as_str().unwrap();
    assert!(seed.len() == 16 && seed.bytes().all(|digit| digit.is_ascii_hexdigit()), "{seed}");
    assert_eq!(lab.json(&format!("/api/?results=3&seed={seed}")).await, first);
    assert_ne!(lab.json("/api/?results=3").await["results"], first["results"]);
}

#[tokio::test]
async fn a_page_number_runs_into_the_seed_and_a_seed_is_echoed_whatever_it_holds() {
    let lab = Lab::new().await;
    let twelfth = lab.json("/api/?seed=abc&page=12&results=9").await;
    let second = lab.json("/api/?seed=abc1&page=2&results=9").await;
    assert_eq!(twelfth["results"], second["results"]);
    assert_ne!(twelfth["info"], second["info"]);
    let odd = lab.json("/api/?seed=%22%C3%A9%20%5C&results=1").await;
    assert_eq!(odd["info"]["seed"], "\"é \\");
}

#[tokio::test]
async fn inc_and_exc_choose_fields() {
    let lab = Lab::new().await;
    let answer = lab.json("/api/?seed=sluice&inc=EMAIL,%20nat,dob&exc=dob").await;
    let keys: Vec<&String> = answer["results"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["email", "nat"]);
}

#[tokio::test]
async fn the_limit_counts_users_of_one_client_and_says_429_without_retry_after() {
    let lab = Lab::limited(1_000, Duration::from_secs(300)).await;
    assert_eq!(lab.get("/api/?results=600").await.status(), 200);
    let refused = lab.get("/api/?results=401").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(!refused.headers().contains_key("retry-after"));
    assert_eq!(read::<Value>(refused).await, json!({ "error": USUAL_ERROR }));
    assert_eq!(lab.get("/api/?results=400").await.status(), 200, "a refused request costs nothing");
    assert_eq!(lab.get("/api/").await.status(), 429);
    let neighbour = Client::builder().no_proxy().local_address("127.0.0.2".parse::<IpAddr>().unwrap()).build().unwrap();
    let answer = neighbour.get(lab.simulator.url("/api/?results=1000")).send().await.unwrap();
    assert_eq!(answer.status(), 200, "another client has a limit of its own");
    let expected = Stats { requests: 5, users: 2_000, rate_limited: 2, ..Stats::default() };
    assert_eq!(lab.stats().await, expected);
}

#[tokio::test]
async fn the_limit_lifts_after_the_window_and_not_before() {
    let window = Duration::from_millis(700);
    let lab = Lab::limited(10, window).await;
    let before = Instant::now();
    assert_eq!(lab.get("/api/?results=10").await.status(), 200);
    let after = Instant::now();
    loop {
        let asked = Instant::now();
        let status = lab.get("/api/?results=10").await.status();
        if status == 200 {
            assert!(before.elapsed() >= window, "twice the limit within one window");
            break;
        }
        assert_eq!(status, 429);
        assert!(asked.duration_since(after) < window + Duration::from_secs(5), "never lifted");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_refused_request_leaves_the_ordered_faults_and_an_error_costs_no_users() {
    let lab = Lab::limited(10, Duration::from_secs(300)).await;
    lab.put(json!({"next": [{"status": 500}, {"count": 1}, {"html": true}]})).await;
    assert_eq!(lab.get("/api/?results=10").await.status(), 500);
    assert_eq!(lab.get("/api/?results=10").await.status(), 200);
    assert_eq!(lab.get("/api/?results=10").await.status(), 429);
    assert_eq!(lab.json("/faults").await["next"], json!([{"html": true}]));
}

#[tokio::test]
async fn server_errors_are_html_and_client_errors_json() {
    let lab = Lab::new().await;
    for status in [500, 502, 503, 504] {
        lab.next(json!({ "status": status })).await;
        let answer = lab.get(PAGE).await;
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["content-type"], "text/html");
        assert!(answer.text().await.unwrap().starts_with("<html>"));
    }
    for fault in [json!({"status": 403}), json!({"status": 500, "error": true})] {
        lab.next(fault).await;
        assert_eq!(lab.json(PAGE).await, json!({ "error": USUAL_ERROR }));
    }
    lab.next(json!({"status": 403, "html": true})).await;
    assert!(lab.get(PAGE).await.text().await.unwrap().starts_with("<html>"));
    assert_eq!(lab.json(PAGE).await["results"], page(), "one fault, one answer");
}

#[tokio::test]
async fn retry_after_is_sent_as_seconds_or_as_a_date() {
    let lab = Lab::new().await;
    for (given, sent) in
        [(json!("2"), "2"), (json!(7), "7"), (json!("Fri, 31 Dec 2027 23:59:59 GMT"), "Fri, 31 Dec 2027 23:59:59 GMT")]
    {
        lab.next(json!({ "retry_after": given })).await;
        let answer = lab.get(PAGE).await;
        assert_eq!(answer.status(), 429);
        assert_eq!(answer.headers()["retry-after"], sent);
        assert_eq!(read::<Value>(answer).await, json!({ "error": USUAL_ERROR }));
    }
    lab.next(json!({"status": 503, "retry_after": 1})).await;
    let answer = lab.get(PAGE).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    lab.next(json!({"status": 429})).await;
    assert!(!lab.get(PAGE).await.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn a_delay_comes_before_the_answer() {
    let lab = Lab::new().await;
    lab.next(json!({ "delay_ms": 300 })).await;
    let start = Instant::now();
    assert_eq!(lab.json(PAGE).await["results"], page());
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_truncated_body_is_whole_http_and_half_json() {
    let lab = Lab::new().await;
    let whole = lab.get(PAGE).await.text().await.unwrap();
    lab.next(json!({ "truncate": true })).await;
    let half = lab.get(PAGE).await.bytes().await.unwrap();
    assert_eq!(half, whole.as_bytes()[..whole.len() / 2]);
    assert!(serde_json::from_slice::<Value>(&half).is_err());
}

#[tokio::test]
async fn a_disconnect_breaks_off_in_the_middle_of_the_body() {
    let lab = Lab::new().await;
    lab.next(json!({ "disconnect": true })).await;
    let answer = lab.client.get(lab.simulator.url(PAGE)).send().await;
    let body = match answer {
        Ok(answer) => answer.bytes().await,
        Err(error) => Err(error),
    };
    assert!(body.is_err(), "the body must not look whole");
    assert_eq!(lab.json(PAGE).await["results"], page());
}

#[tokio::test]
async fn html_and_errors_come_with_status_200() {
    let lab = Lab::new().await;
    lab.next(json!({ "html": true })).await;
    let answer = lab.get(PAGE).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (200, &"text/html".parse().unwrap()));
    assert!(serde_json::from_str::<Value>(&answer.text().await.unwrap()).is_err());
    for (error, text) in [(json!(true), USUAL_ERROR), (json!("go away"), "go away")] {
        lab.next(json!({ "error": error })).await;
        let answer = lab.get(PAGE).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(read::<Value>(answer).await, json!({ "error": text }));
    }
}

#[tokio::test]
async fn answers_that_break_the_contract_look_well_formed() {
    let lab = Lab::new().await;
    let answer_to = async |fault: Value| {
        lab.next(fault).await;
        lab.json(PAGE).await
    };
    let info = json!({"seed": "sluice", "results": 5, "page": 2, "version": "1.4"});
    let with = |key: &str, value: Value| {
        let mut info = info.clone();
        info[key] = value;
        info
    };
    let empty = answer_to(json!({ "empty": true })).await;
    assert_eq!((&empty["results"], &empty["info"]), (&json!([]), &with("results", json!(1))));
    for count in [0, 3, 8] {
        let answer = answer_to(json!({ "count": count })).await;
        assert_eq!(answer["results"].as_array().unwrap().len(), count);
        assert_eq!(answer["info"], info);
    }
    let ninth = answer_to(json!({ "page": 9 })).await;
    assert_eq!(ninth["info"], with("page", json!(9)));
    assert_eq!(ninth["results"][0], Catalogue::new().user("sluice", 9, 0));
    let other = answer_to(json!({ "seed": "other" })).await;
    assert_eq!(other["info"], with("seed", json!("other")));
    assert_eq!(other["results"][0], Catalogue::new().user("other", 2, 0));
}

#[tokio::test]
async fn faults_come_in_order_one_an_answer_and_an_outage_lasts_until_taken_back() {
    let lab = Lab::new().await;
    let plan = json!({"next": [{"status": 500}, {}, {"status": 429, "retry_after": "2"}], "always": {"status": 503}});
    assert_eq!(lab.put(plan).await.status(), 200);
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(lab.get(PAGE).await.status().as_u16());
    }
    assert_eq!(statuses, [500, 200, 429, 503, 503]);
    assert_eq!(lab.json("/faults").await, json!({"next": [], "always": {"status": 503}, "share": {}}));
    let mended = lab.client.delete(lab.simulator.url("/faults")).send().await.unwrap();
    assert_eq!(read::<Value>(mended).await, json!({"next": [], "share": {}}));
    assert_eq!(lab.get(PAGE).await.status(), 200);
    let stats = lab.stats().await;
    assert_eq!((stats.requests, stats.faults_served, stats.users), (6, 4, 10));
}

#[tokio::test]
async fn an_unknown_knob_is_refused_with_the_known_ones_and_changes_nothing() {
    let lab = Lab::new().await;
    lab.next(json!({ "status": 500 })).await;
    for plan in [
        json!({"next": [{"stauts": 500}]}),
        json!({"next": [{"status": 5}]}),
        json!({"share": {"bad_hair": 0.5}}),
        json!({"share": {"bad_dob": 1.5}}),
        json!({"later": []}),
        json!(7),
    ] {
        let refused = lab.put(plan.clone()).await;
        assert_eq!(refused.status(), 400, "{plan}");
        let said = read::<Value>(refused).await;
        assert!(said["error"].as_str().unwrap().len() > 10, "{said}");
    }
    let said = lab.put(json!({"next": [{"stauts": 500}]})).await.text().await.unwrap();
    for knob in
        ["stauts", "status", "retry_after", "delay_ms", "truncate", "html", "empty", "count", "page", "seed", "error"]
    {
        assert!(said.contains(knob), "{said}");
    }
    assert_eq!(lab.get(PAGE).await.status(), 500, "the plan before still holds");
}

#[tokio::test]
async fn a_share_of_hostile_users_is_the_one_that_recomputation_predicts() {
    let lab = Lab::new().await;
    let share = json!({"missing_email": 0.1, "bad_dob": 0.1});
    lab.put(json!({ "share": share })).await;
    let share = serde_json::from_value(share).unwrap();
    let answer = lab.json("/api/?seed=sluice&page=4&results=300").await;
    let mut spoiled = 0;
    for (index, user) in answer["results"].as_array().unwrap().iter().enumerate() {
        let kind = hostile_kind("sluice", 4, index as u32, &share);
        assert_eq!(user.get("email").is_none(), kind == Some(Kind::MissingEmail));
        assert_eq!(user["dob"]["date"] == "1990-13-45T25:61:61.000Z", kind == Some(Kind::BadDob));
        spoiled += u64::from(kind.is_some());
    }
    assert!(spoiled > 30);
    let stats = lab.stats().await;
    assert_eq!((stats.users, stats.hostile_users, stats.faults_served), (300, spoiled, 0));
}

#[tokio::test]
async fn it_is_alive_and_ends_at_once_even_while_an_answer_is_delayed() {
    let lab = Lab::new().await;
    assert_eq!(lab.get("/livez").await.status(), 200);
    lab.put(json!({"next": [{"delay_ms": 600_000}]})).await;
    let waiting = tokio::spawn(lab.client.get(lab.simulator.url(PAGE)).send());
    let asked = Instant::now();
    while lab.stats().await.requests == 0 {
        assert!(asked.elapsed() < Duration::from_secs(5), "the request never arrived");
        tokio::task::yield_now().await;
    }
    let address = lab.simulator.address();
    tokio::time::timeout(Duration::from_secs(5), lab.simulator.stop()).await.unwrap().unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    drop(tokio::net::TcpListener::bind(address).await.unwrap());
}

#[tokio::test]
async fn a_port_in_use_is_said_with_its_remedy() {
    let lab = Lab::new().await;
    let settings = Settings { address: lab.simulator.address(), ..Settings::for_test() };
    let said = Running::start(settings).await.err().unwrap().to_string();
    assert!(said.contains(&lab.simulator.address().to_string()) && said.contains("SIM_ADDR"), "{said}");
}
