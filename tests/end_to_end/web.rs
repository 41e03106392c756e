//! The web page of `dlq-replayer serve` in a real browser.

use std::sync::Arc;

use chrono::Utc;
use end_to_end::{Browser, Process, Width, World, user_record, wait_for};
use schema::dead_letter::{self, App};
use schema::fault::{Fault, Violation};
use schema::reason::{Reason, Stage};
use schema::record::Record;
use serde_json::json;
use service::Exit;
use thirtyfour::{By, Key, WebElement};
use uuid::Uuid;

const VERSION: i64 = 1_790_000_000_000_000;

/// Runs where it becomes markup; a page that shows it as text is left alone.
const HOSTILE: &str = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>";

/// Puts the dead letter of a record on the topic: `healthy` ones pass when they are replayed, others fail again.
async fn dead_letter(world: &World, offset: i64, healthy: bool, hostile: bool) -> Uuid {
    let id = Uuid::new_v4();
    let record = user_record(world, id, VERSION, |value, headers| {
        if !healthy {
            value["email"] = json!("nobody");
        }
        if hostile {
            value["first_name"] = json!(HOSTILE);
            headers.push(HOSTILE, HOSTILE);
        }
    });
    let consumed = Record {
        topic: Arc::clone(&record.topic),
        partition: 1,
        offset,
        timestamp_ms: Some(VERSION / 1_000),
        key: record.key,
        value: record.value,
        headers: record.headers,
    };
    let kind = if hostile { HOSTILE } else { "rules" };
    let (pointer, rule) = if healthy { ("/username", "username.length") } else { ("/email", "email.format") };
    let mut fault = Fault::new(Reason::QualityRule, Stage::Quality, kind, format!("1 rule is broken {kind}"));
    fault.violations = vec![Violation { pointer: pointer.to_owned(), rule }];
    let app = App { name: "stream-processor", version: "0.0.9" };
    let kafka = world.kafka();
    let topic = kafka.topics.dlq.as_str().into();
    world.publish(vec![dead_letter::from_record(consumed, &fault, &topic, 3, &kafka.group_id, &app, Utc::now())]).await;
    id
}

/// A page of a service in a browser.
struct Page {
    browser: Browser,
    base: String,
}

impl Page {
    async fn open(service: &Process, width: Width) -> Self {
        service.wait_until_ready().await;
        let base = format!("http://{}", service.address().expect("it listens"));
        Self { browser: Browser::start(width).await, base }
    }

    async fn goto(&self, path: &str) {
        self.browser.driver().goto(format!("{}{path}", self.base)).await.expect("a page");
    }

    async fn find(&self, selector: &str) -> WebElement {
        self.browser.driver().find(By::Css(selector)).await.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    /// Asked again where the page is just being replaced, which takes its elements with it.
    async fn text(&self, selector: &str) -> String {
        wait_for(&format!("the text of {selector}"), async || {
            let found = self.browser.driver().find(By::Css(selector)).await.map_err(|error| error.to_string())?;
            found.text().await.map_err(|error| error.to_string())
        })
        .await
    }

    async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    async fn link(&self, text: &str) -> WebElement {
        self.browser.driver().find(By::PartialLinkText(text)).await.unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Waits for the page of this heading.
    async fn comes_to(&self, heading: &str) {
        wait_for(&format!("the page {heading:?}"), async || {
            let shown = self.text("h1").await;
            if shown == heading { Ok(()) } else { Err(shown) }
        })
        .await;
    }

    /// Loads a page again until it says `text`.
    async fn wait_on(&self, path: &str, text: &str) {
        wait_for(&format!("{path} says {text:?}"), async || {
            self.goto(path).await;
            let shown = self.text("main").await;
            if shown.contains(text) { Ok(()) } else { Err(shown) }
        })
        .await;
    }

    /// Waits until the page itself says `text`, as somebody does who watches it.
    async fn watch(&self, text: &str) {
        wait_for(&format!("the page comes to say {text:?}"), async || {
            let shown = self.text("main").await;
            if shown.contains(text) { Ok(()) } else { Err(shown) }
        })
        .await;
    }

    async fn run(&self, script: &str) -> serde_json::Value {
        let answer = self.browser.driver().execute(script, Vec::new()).await.expect("a script of ours");
        answer.json().clone()
    }

    /// The page is no wider than the window.
    async fn assert_fits(&self) {
        let room = self.run("return [document.documentElement.scrollWidth, window.innerWidth]").await;
        assert!(room[0].as_u64() <= room[1].as_u64(), "{}: {room}", self.text("h1").await);
    }

    /// Presses Tab until the element has the focus, and sees that the focus can be seen.
    async fn tab_to(&self, selector: &str) {
        for _ in 0..80 {
            self.browser
                .driver()
                .active_element()
                .await
                .expect("a focus")
                .send_keys(Key::Tab + "")
                .await
                .expect("a key");
            let is_there = format!("return document.activeElement.matches({})", json!(selector));
            if self.run(&is_there).await == json!(true) {
                let outline = self.run("return getComputedStyle(document.activeElement).outlineStyle").await;
                assert_eq!(outline, json!("solid"), "{selector} shows that it has the focus");
                return;
            }
        }
        panic!("no key leads to {selector}");
    }

    async fn press(&self, key: &str) {
        self.browser.driver().active_element().await.expect("a focus").send_keys(key).await.expect("a key");
    }
}

#[tokio::test]
async fn a_group_is_looked_at_tried_and_replayed_behind_a_canary_in_a_browser() {
    let world = World::new("web").await;
    let mut healthy = Vec::new();
    for offset in 0..4 {
        healthy.push(dead_letter(&world, offset, true, false).await.to_string());
    }
    dead_letter(&world, 10, false, false).await;
    let processor = world.processor();
    let service = world.process_with("dlq-replayer", &["serve"]);
    let page = Page::open(&service, Width::Wide).await;
    page.wait_on("/", "5 dead letters in 2 groups.").await;
    page.link("Open one").await.click().await.expect("the example");
    assert!(page.text("main").await.contains("username.length"), "the largest group is first");
    assert!(page.text("pre").await.contains("ada.lovelace@example.com"));
    page.goto("/").await;
    page.link("quality_rule").await.click().await.expect("the group");
    assert!(page.text(".sum").await.starts_with("4 dead letters"), "{}", page.text("main").await);

    page.click("button[value=preflight]").await;
    page.watch("4 would pass, 0 still fail").await;
    page.browser.driver().back().await.expect("the list");
    page.find("input[name=why]").await.send_keys("the rule is gone").await.expect("why");
    page.find("input[name=canary]").await.send_keys("1").await.expect("a canary");
    page.click("button[value=replay]").await;
    page.comes_to("Replay 4 dead letters?").await;
    assert!(page.text("main").await.contains("One goes first"), "{}", page.text("main").await);
    page.click("main button").await;
    page.watch("confirmed\n4").await;
    let rows = world.rows().await;
    assert!(healthy.iter().all(|id| rows.contains_key(id)), "they are written");
    page.wait_on("/letters?state=confirmed", "4 dead letters").await;
    page.click("tbody a").await;
    page.watch("the rule is gone").await;
    assert!(page.text(".history").await.contains("web@127.0.0.1"), "{}", page.text(".history").await);

    page.wait_on("/", "1 dead letter in 1 group.").await;
    page.goto("/letters").await;
    page.click("button[value=preflight]").await;
    page.watch("0 would pass, 1 still fail (email.format 1)").await;
    page.goto("/letters").await;
    page.find("input[name=why]").await.send_keys("made for a test").await.expect("why");
    page.click("button[value=discard]").await;
    page.comes_to("Discard 1 dead letter?").await;
    page.click("main button").await;
    page.wait_on("/letters?state=discarded", "1 dead letter").await;
    page.browser.quit().await;
    assert_eq!(service.terminate().await.code(), Some(0));
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn what_a_letter_holds_is_shown_as_text_and_runs_nothing() {
    let world = World::new("web_hostile").await;
    dead_letter(&world, 1, false, true).await;
    let service = world.process_with("dlq-replayer", &["serve"]);
    let page = Page::open(&service, Width::Wide).await;
    page.wait_on("/", "1 dead letter in 1 group.").await;
    let letter = page.find("td[data-label=Example] a").await.attr("href").await.expect("a link").expect("a link");
    for path in
        ["/", "/letters", &letter, &format!("{letter}?as=hex"), "/?reason=<script>document.title='broken'</script>"]
    {
        page.goto(path).await;
        let title = page.browser.driver().title().await.expect("a title");
        assert!(title.ends_with("· dlq-replayer"), "{path}: {title}");
        assert_eq!(
            page.run("return document.querySelectorAll('main img, main script').length").await,
            json!(0),
            "{path}"
        );
    }
    page.goto(&letter).await;
    let shown = page.text("main").await;
    assert!(shown.matches(HOSTILE).count() >= 4, "type, message, header name and value: {shown}");
    // What got past the escaping would be as this: inline, and not ours.
    let slipped_in = "const script = document.createElement('script'); script.textContent = \"document.title = 'broken'\"; \
                      document.body.append(script); document.body.setAttribute('onclick', script.textContent); \
                      document.body.click(); return document.title";
    let title = page.run(slipped_in).await;
    assert_ne!(title, json!("broken"), "the policy lets nothing run that the page does not bring");
    page.browser.quit().await;
    assert_eq!(service.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn everything_can_be_done_with_the_keyboard_alone() {
    let world = World::new("web_keyboard").await;
    dead_letter(&world, 1, false, false).await;
    let service = world.process_with("dlq-replayer", &["serve"]);
    let page = Page::open(&service, Width::Wide).await;
    page.wait_on("/", "1 dead letter in 1 group.").await;
    page.tab_to(".skip").await;
    page.tab_to("td[data-label=Why] a").await;
    page.press("\u{e007}").await;
    page.watch("What to do with this dead letter").await;
    page.tab_to("input[name=why]").await;
    page.press("typed").await;
    page.tab_to("button[value=park]").await;
    page.press("\u{e007}").await;
    page.watch("Park 1 dead letter?").await;
    page.tab_to("main button").await;
    page.press("\u{e007}").await;
    page.watch("parked\n1").await;
    assert_eq!(world.records(&world.kafka().topics.parked).await.len(), 1);
    page.browser.quit().await;
    assert_eq!(service.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn no_page_is_wider_than_a_telephone() {
    let world = World::new("web_narrow").await;
    dead_letter(&world, 1, false, true).await;
    let service = world.process_with("dlq-replayer", &["serve"]);
    let page = Page::open(&service, Width::Narrow).await;
    page.wait_on("/", "1 dead letter in 1 group.").await;
    assert_eq!(page.run("return window.innerWidth").await, json!(360));
    let letter = page.find("td[data-label=Example] a").await.attr("href").await.expect("a link").expect("a link");
    for path in
        ["/", "/letters", "/jobs", "/login", &letter, "/confirm?action=replay&why=x", &format!("{letter}?as=hex")]
    {
        page.goto(path).await;
        page.assert_fits().await;
    }
    page.browser.quit().await;
    assert_eq!(service.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn beyond_loopback_the_page_asks_for_the_token() {
    let world = World::new("web_token").await.with("ADMIN_ADDR", "0.0.0.0:0").with("ADMIN_TOKEN", "hunter2");
    dead_letter(&world, 1, false, false).await;
    let service = world.process_with("dlq-replayer", &["serve"]);
    let page = Page::open(&service, Width::Wide).await;
    page.goto("/letters?rule=email.format").await;
    page.comes_to("Log in").await;
    page.find("input[name=token]").await.send_keys("hunter3").await.expect("a token");
    page.click("main button").await;
    page.watch("This is not the token.").await;
    page.find("input[name=name]").await.send_keys("Anna").await.expect("a name");
    page.find("input[name=token]").await.send_keys("hunter2").await.expect("a token");
    page.click("main button").await;
    page.wait_on("/letters?rule=email.format", "1 dead letter").await;
    page.find("input[name=why]").await.send_keys("test data").await.expect("why");
    page.click("button[value=discard]").await;
    page.comes_to("Discard 1 dead letter?").await;
    page.click("main button").await;
    page.watch("by\nAnna").await;
    page.wait_on("/letters?state=discarded", "1 dead letter").await;
    page.click(".who button").await;
    page.comes_to("Log in").await;
    page.browser.quit().await;
    assert!(!service.log().contains("hunter2"), "the token is in no log");
    assert_eq!(service.terminate().await.code(), Some(0));
}
