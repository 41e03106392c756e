//! The pages over HTTP: who is let in, what every answer says, what is refused.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Extension};
use axum::http::{HeaderMap, Request};
use service::admin::Guard;
use service::settings::{Reader, Secret};
use service::shutdown::Shutdown;
use tower::ServiceExt as _;

use super::*;
use crate::fixture;

const HOST: &str = "127.0.0.1:8002";

/// Pages over a book of three letters, and no Kafka behind them.
fn pages() -> Pages {
    let mut reader = Reader::from_pairs([("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")]);
    let settings = ReplayerSettings::read(&mut reader);
    reader.finish().expect("settings");
    let mut seen = Seen::default();
    for offset in 1..=3 {
        seen.book.letter(&fixture::read_letter(0, offset, offset));
    }
    let context = Context::new(Shutdown::new(Duration::from_secs(1)));
    Pages::new(&settings, &context, Arc::new(Mutex::new(seen)), Arc::default())
}

fn token() -> Guard {
    Guard::Token(Secret::new("hunter2"))
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The cookie that it sets, as a browser sends it back.
    fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().expect("a cookie").to_owned()
    }

    fn form_token(&self) -> &str {
        let (_, rest) = self.body.split_once("name=\"form_token\" value=\"").expect("a form");
        rest.split('"').next().expect("its token")
    }
}

/// Sends a request; `form` makes it a POST.
async fn ask(pages: &Pages, guard: Guard, path: &str, headers: &[(&str, &str)], form: Option<&str>) -> Answer {
    let mut request = Request::builder().uri(path).method(if form.is_some() { "POST" } else { "GET" });
    if form.is_some() {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", HOST);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(form.unwrap_or_default().to_owned())).expect("a request");
    let from = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 50_000)));
    let router = pages.clone().router().layer(Extension(guard)).layer(Extension(from));
    let response = router.oneshot(request).await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    Answer { status, headers, body: String::from_utf8(body.to_vec()).expect("text") }
}

async fn get(pages: &Pages, guard: Guard, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(pages, guard, path, headers, None).await
}

#[tokio::test]
async fn the_first_page_shows_the_groups_and_takes_the_flags_of_the_command_line() {
    let pages = pages();
    let answer = get(&pages, Guard::Open, "/", &[]).await;
    assert_eq!(answer.status, 200);
    for part in ["3 dead letters in 1 group.", "quality_rule", "email.format at /email", "unresolved <b>3</b>"] {
        assert!(answer.body.contains(part), "{part} in {}", answer.body);
    }
    let none = get(&pages, Guard::Open, "/?rule=name.required", &[]).await;
    assert!(none.body.contains("No dead letters here."), "{}", none.body);
    let wrong = get(&pages, Guard::Open, "/?reason=%3Cb%3E", &[]).await;
    assert!(
        wrong.status == 200 && wrong.body.contains("role=\"alert\">invalid value &#39;&#60;b&#62;&#39;"),
        "{}",
        wrong.body
    );
}

#[tokio::test]
async fn every_answer_keeps_scripts_frames_caches_and_other_sites_out() {
    let pages = pages();
    for (guard, path, status) in [
        (Guard::Open, "/", 200),
        (Guard::Open, "/nothing", 404),
        (Guard::Open, "/assets/style.css", 200),
        (Guard::Closed, "/", 403),
        (token(), "/", 303),
        (token(), "/login", 200),
    ] {
        let answer = get(&pages, guard, path, &[]).await;
        assert_eq!(answer.status, status, "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert!(
            !answer.body.contains("<style") && !answer.body.contains(" style=") && !answer.body.contains(" onclick")
        );
    }
}

#[tokio::test]
async fn without_a_token_only_names_of_loopback_are_answered_to() {
    let pages = pages();
    for host in ["127.0.0.1:8002", "localhost", "LocalHost:1", "[::1]:8002", "127.9.9.9"] {
        assert_eq!(get(&pages, Guard::Open, "/", &[("host", host)]).await.status, 200, "{host}");
    }
    for host in ["evil.example", "evil.example:8002", "127.0.0.1.evil.example", "10.0.0.1", "[::2]", ""] {
        assert_eq!(get(&pages, Guard::Open, "/", &[("host", host)]).await.status, 403, "{host}");
    }
}

#[tokio::test]
async fn beyond_loopback_and_without_a_token_nothing_is_shown_but_what_to_set() {
    let pages = pages();
    for path in ["/", "/login", "/assets/style.css", "/letters"] {
        let answer = get(&pages, Guard::Closed, path, &[]).await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.body.contains("ADMIN_TOKEN") && !answer.body.contains("quality_rule"), "{}", answer.body);
    }
}

#[tokio::test]
async fn with_a_token_looking_needs_it_too_in_a_header_or_by_a_log_in() {
    let pages = pages();
    let answer = get(&pages, token(), "/letters?rule=a%26b", &[]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/login?next=%2Fletters%3Frule%3Da%2526b"));
    assert!(!answer.body.contains("quality_rule"));
    let bearer = |token: &'static str| [("authorization", token)];
    assert_eq!(get(&pages, token(), "/", &bearer("Bearer hunter2")).await.status, 200);
    assert_eq!(get(&pages, token(), "/", &bearer("Bearer hunter")).await.status, 303);
    assert_eq!(
        get(&pages, token(), "/", &[("cookie", "sluice_replayer=0123456789abcdef0123456789abcdef")]).await.status,
        303
    );

    let wrong = ask(&pages, token(), "/login", &[], Some("name=Anna&token=wrong&next=/jobs")).await;
    assert!(
        wrong.status == 403 && wrong.body.contains("This is not the token.") && wrong.header("set-cookie").is_empty()
    );
    let right = ask(&pages, token(), "/login", &[], Some("name=Anna+L.&token=hunter2&next=/jobs")).await;
    assert_eq!((right.status, right.header("location")), (303, "/jobs"));
    assert!(
        right.header("set-cookie").ends_with("; Path=/; HttpOnly; SameSite=Strict"),
        "{}",
        right.header("set-cookie")
    );
    let cookie = right.cookie();
    let page = get(&pages, token(), "/", &[("cookie", &cookie)]).await;
    assert!(page.status == 200 && page.body.contains("Anna L."), "{}", page.body);

    let form = format!("form_token={}", page.form_token());
    assert_eq!(ask(&pages, token(), "/logout", &[("cookie", &cookie)], Some(&form)).await.status, 303);
    assert_eq!(get(&pages, token(), "/", &[("cookie", &cookie)]).await.status, 303, "the session is over");
}

#[tokio::test]
async fn a_log_in_leads_to_no_other_site() {
    let pages = pages();
    for next in ["//evil.example", "https://evil.example/", "/%5Cevil.example", "x", ""] {
        let answer = ask(&pages, token(), "/login", &[], Some(&format!("token=hunter2&next={next}"))).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/"), "{next}");
    }
}

#[tokio::test]
async fn guessing_the_token_is_slowed_down_whichever_way_it_is_given() {
    let pages = pages();
    for _ in 0..3 {
        assert_eq!(ask(&pages, token(), "/login", &[], Some("token=wrong")).await.status, 403);
    }
    for _ in 0..2 {
        assert_eq!(get(&pages, token(), "/", &[("authorization", "Bearer wrong")]).await.status, 303);
    }
    let answer = ask(&pages, token(), "/login", &[], Some("token=hunter2")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "5"), "even the right one has to wait");
    assert_eq!(get(&pages, token(), "/", &[("authorization", "Bearer hunter2")]).await.status, 429);
}

#[tokio::test]
async fn a_post_of_another_site_or_without_its_forms_token_does_nothing() {
    let pages = pages();
    let page = get(&pages, Guard::Open, "/login", &[]).await;
    let cookie = page.cookie();
    let form = format!("name=Anna&form_token={}", page.form_token());
    let with = |name: &'static str, value: &'static str| vec![("cookie", cookie.as_str()), (name, value)];
    for (headers, body, status) in [
        (with("sec-fetch-site", "cross-site"), form.as_str(), 403),
        (with("sec-fetch-site", "same-site"), &form, 403),
        (with("origin", "http://evil.example"), &form, 403),
        (with("origin", "null"), &form, 403),
        (with("origin", "http://127.0.0.1:1"), &form, 403),
        (vec![("cookie", cookie.as_str())], "name=Anna", 403),
        (vec![("cookie", cookie.as_str())], "name=Anna&form_token=0", 403),
        (vec![], &form, 403),
        (with("sec-fetch-site", "same-origin"), &form, 303),
        (with("origin", "http://127.0.0.1:8002"), &form, 303),
    ] {
        let answer = ask(&pages, Guard::Open, "/login", &headers, Some(body)).await;
        assert_eq!(answer.status, status, "{headers:?} {body}: {}", answer.body);
    }
    for path in ["/jobs", "/jobs/1/stop", "/logout"] {
        let answer = ask(&pages, Guard::Open, path, &[("cookie", &cookie)], Some("action=discard&why=x")).await;
        assert_eq!(answer.status, 403, "{path}");
    }
    assert_eq!(ask(&pages, token(), "/jobs", &[], Some("action=discard&why=x")).await.status, 401);
}

#[tokio::test]
async fn what_will_be_done_is_told_before_it_is_done() {
    let pages = pages();
    let answer =
        get(&pages, Guard::Open, "/confirm?action=replay&why=mended&canary=1&rate=7&rule=email.format", &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    for part in [
        "Replay 3 dead letters?",
        "at most 7 a second",
        "One goes first: if it comes back, or is not processed, the others stay where they are.",
        "name=\"why\" value=\"mended\"",
        "name=\"until\" value=\"20",
        "web@127.0.0.1",
    ] {
        assert!(answer.body.contains(part), "{part} in {}", answer.body);
    }
    let discard = get(&pages, Guard::Open, "/confirm?action=discard&why=test+data&id=user_data/0/1", &[]).await;
    assert!(
        discard.body.contains("Discard 1 dead letter?") && discard.body.contains("Nothing is deleted"),
        "{}",
        discard.body
    );
    let none = get(&pages, Guard::Open, "/confirm?action=park&why=x&id=user_data/9/9", &[]).await;
    assert!(
        none.body.contains("There is nothing left to do.") && !none.body.contains("action=\"/jobs\""),
        "{}",
        none.body
    );
    for wrong in [
        "action=replay",
        "action=replay&why=+",
        "action=burn&why=x",
        "action=replay&why=x&rate=0",
        "action=park&why=x&reason=x",
    ] {
        assert_eq!(get(&pages, Guard::Open, &format!("/confirm?{wrong}"), &[]).await.status, 400, "{wrong}");
    }
}

/// Relative luminance by WCAG 2.2.
fn luminance(colour: &str) -> f64 {
    let channel = |place: usize| {
        let value = f64::from(u8::from_str_radix(&colour[place..place + 2], 16).expect("hexadecimal")) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

#[test]
fn text_stands_out_from_its_ground_in_light_and_in_dark() {
    let style = include_str!("style.css");
    let colour = |scheme: &str, name: &str| {
        let (_, rest) = scheme.split_once(&format!("--{name}: ")).unwrap_or_else(|| panic!("no {name}"));
        rest.get(..7).expect("a colour").to_owned()
    };
    let schemes: Vec<_> = style.split(":root {").skip(1).map(|rest| rest.split('}').next().expect("its end")).collect();
    assert_eq!(schemes.len(), 2, "light and dark");
    for scheme in schemes {
        for (text, ground, least) in [
            ("ink", "paper", 7.0),
            ("ink", "shade", 7.0),
            ("ink", "warn-shade", 7.0),
            ("ink", "bad-shade", 7.0),
            ("faint", "paper", 4.5),
            ("faint", "shade", 4.5),
            ("link", "paper", 4.5),
            ("link", "shade", 4.5),
            ("on-main", "main", 4.5),
            ("good", "good-shade", 4.5),
            ("bad", "bad-shade", 4.5),
            ("warn", "warn-shade", 4.5),
            ("calm", "calm-shade", 4.5),
            ("edge", "paper", 3.0),
            ("edge", "shade", 3.0),
        ] {
            let (one, other) = (luminance(&colour(scheme, text)), luminance(&colour(scheme, ground)));
            let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
            assert!(contrast >= least, "{text} on {ground}: {contrast:.2} is below {least} in {scheme}");
        }
    }
}
