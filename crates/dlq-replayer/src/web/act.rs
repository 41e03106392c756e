//! Asking for a job: the form under a list or a letter, the page that says what it will do, and its start.

use askama::Template;
use axum::extract::{Extension, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::Utc;

use super::access::{Posted, Visitor};
use super::filters::DEFAULT;
use super::jobs::Work;
use super::page::{self, Frame, many, rendered, visible};
use super::query::Asked;
use super::{PageError, Pages};
use crate::job::canary::Canary;
use crate::job::command;
use crate::job::{Action, Plan};
use crate::routes::Routes;
use crate::settings::{FASTEST, ReplayerSettings};

/// The canary that is proposed: a tenth of the letters, but no more than so many.
const CANARY: usize = 10;

/// The form that asks for a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ActForm {
    pub(super) title: String,
    /// The selection.
    pub(super) pairs: Vec<(String, String)>,
    pub(super) rate: u32,
    pub(super) has_canary: bool,
    pub(super) canary: String,
}

impl ActForm {
    /// For the `count` letters that are asked for; `rate` is proposed.
    pub(super) fn new(asked: &Asked, count: usize, rate: u32) -> Self {
        if count == 0 {
            return Self::default();
        }
        let letters = if count == 1 { "this dead letter".to_owned() } else { format!("these {count} dead letters") };
        let canary = CANARY.min(count / 10);
        Self {
            title: format!("What to do with {letters}"),
            pairs: asked.pairs().to_vec(),
            rate,
            has_canary: count > 1,
            canary: if canary == 0 { String::new() } else { canary.to_string() },
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.title.is_empty()
    }
}

/// What somebody wants to be done.
#[derive(Debug, Clone, PartialEq)]
struct Wish {
    action: Action,
    asked: Asked,
    why: String,
    rate: u32,
    canary: Option<Canary>,
    force: bool,
}

impl Wish {
    /// Reads the fields of the form.
    fn of(fields: &[(String, String)], settings: &ReplayerSettings) -> Result<Self, String> {
        let field = |name: &str| fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.trim());
        let action = Action::ALL.into_iter().find(|action| action.as_str() == field("action"));
        let number = |name: &str, most: u32| match field(name) {
            "" => Ok(None),
            text => match text.parse() {
                Ok(number) if (1..=most).contains(&number) => Ok(Some(number)),
                _ => Err(format!("{name}: a whole number from 1 to {most} is needed.")),
            },
        };
        let percent: f64 = match field("abort_if_boomerang") {
            "" => 0.0,
            text => text
                .parse()
                .ok()
                .filter(|percent| (0.0..=100.0).contains(percent))
                .ok_or("abort_if_boomerang: a number from 0 to 100 is needed.")?,
        };
        let letters = number("canary", u32::MAX)?.and_then(|letters| usize::try_from(letters).ok());
        Ok(Self {
            action: action.ok_or("It is not said what is to be done.")?,
            asked: Asked::of(fields)?,
            why: command::reason(field("why")).map_err(|problem| format!("Why: {problem}."))?,
            rate: number("rate", FASTEST)?.unwrap_or(settings.rate_per_second),
            canary: letters.map(|letters| Canary { letters, percent }),
            force: field("force") == "yes",
        })
    }

    fn routes(settings: &ReplayerSettings) -> Routes {
        Routes::new(&settings.kafka.topics.user_data, &settings.allowed_topics)
    }

    fn plan(&self, by: &str, settings: &ReplayerSettings) -> Plan {
        Plan {
            by: by.to_owned(),
            why: self.why.clone(),
            rate: self.rate,
            canary: self.canary,
            force: self.force,
            ..Plan::new(self.action, self.asked.selection.clone(), Self::routes(settings))
        }
    }

    /// The fields of the form again, less the action.
    fn pairs(&self) -> Vec<(String, String)> {
        let mut pairs = self.asked.pairs().to_vec();
        let mut push = |name: &str, value: String| pairs.push((name.to_owned(), value));
        push("why", self.why.clone());
        if self.action == Action::Replay {
            push("rate", self.rate.to_string());
            if self.force {
                push("force", "yes".to_owned());
            }
            if let Some(canary) = self.canary {
                push("canary", canary.letters.to_string());
                push("abort_if_boomerang", canary.percent.to_string());
            }
        }
        pairs
    }

    /// What will be done, in a few sentences.
    fn words(&self, settings: &ReplayerSettings) -> String {
        let topics = &settings.kafka.topics;
        match self.action {
            Action::Replay => {
                let first = self.canary.map_or_else(String::new, canary_words);
                let force = if self.force {
                    " Those that could bring back a deleted row go too, and Cassandra is not waited for."
                } else {
                    ""
                };
                format!(
                    "They are published again to {}, at most {} a second, and waited for until they are processed. {first}\
                     What was replayed {} already is parked instead.{force}",
                    Self::routes(settings).shown(),
                    self.rate,
                    if settings.max_attempts == 1 {
                        "once".to_owned()
                    } else {
                        format!("{} times", settings.max_attempts)
                    },
                )
            }
            Action::Park => format!(
                "They are copied to {} and not replayed any more, unless somebody asks for parked ones.",
                topics.parked
            ),
            Action::Discard => format!(
                "They are given up: the ledger says so. Nothing is deleted; they stay on {} as long as it keeps them.",
                topics.dlq
            ),
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    frame: Frame,
    problem: String,
    what: String,
    fields: Vec<(String, String)>,
    count: usize,
    pairs: Vec<(String, String)>,
    action: &'static str,
    button: String,
    back: String,
}

/// `GET /confirm`
pub(super) async fn confirm(
    Shared(pages): Shared<Pages>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, PageError> {
    let mut wish = Wish::of(&query, &pages.settings).map_err(PageError::Wrong)?;
    let back = format!("/letters{}", wish.asked.query());
    let now = Utc::now();
    wish.asked = wish.asked.until(now);
    let (selection, done) = (wish.asked.selection.clone(), wish.action.done());
    let count = pages
        .ask(move |book| {
            let chosen = book.chosen(&selection, &DEFAULT, now);
            chosen.iter().filter(|choice| Some(choice.state) != done).count()
        })
        .await?;
    let letters = many(u64::try_from(count).unwrap_or(u64::MAX), "dead letter");
    let verb = verb(wish.action);
    let mut fields: Vec<_> = wish.asked.pairs().iter().map(|(name, value)| (name.clone(), visible(value))).collect();
    fields.push(("why".to_owned(), visible(&wish.why)));
    fields.push(("by".to_owned(), visible(&visitor.by)));
    let problem = pages.jobs.running().map_or_else(String::new, |job| {
        format!("Job {job} is running: one job at a time. Wait until it has ended, or stop it, and come back.")
    });
    Ok(rendered(&ConfirmPage {
        frame: pages.frame(format!("{verb} {letters}?"), &visitor),
        problem,
        what: if count == 0 { "There is nothing left to do.".to_owned() } else { wish.words(&pages.settings) },
        fields,
        count,
        pairs: wish.pairs(),
        action: wish.action.as_str(),
        button: format!("{verb} {letters}"),
        back,
    }))
}

fn canary_words(canary: Canary) -> String {
    let Canary { letters, percent } = canary;
    let first = match letters {
        1 => "One goes first: if it comes back".to_owned(),
        _ if percent == 0.0 => format!("{letters} go first: if any of them comes back"),
        _ => format!("{letters} go first: if more than {percent} % of them come back"),
    };
    format!("{first}, or is not processed, the others stay where they are. ")
}

const fn verb(action: Action) -> &'static str {
    match action {
        Action::Replay => "Replay",
        Action::Park => "Park",
        Action::Discard => "Discard",
    }
}

/// `POST /jobs`
pub(super) async fn start(
    Shared(pages): Shared<Pages>,
    Extension(visitor): Extension<Visitor>,
    posted: Posted,
) -> Result<Response, PageError> {
    let settings = &pages.settings;
    let (work, asked, why) = if posted.field("action") == "preflight" {
        let asked = Asked::of(&posted.0).map_err(PageError::Wrong)?.until(Utc::now());
        let plan = Plan::new(Action::Replay, asked.selection.clone(), Wish::routes(settings));
        (Work::Preflight(plan), asked, String::new())
    } else {
        let wish = Wish::of(&posted.0, settings).map_err(PageError::Wrong)?;
        (Work::Job(wish.plan(&visitor.by, settings)), wish.asked, wish.why)
    };
    match pages.jobs.start(work, asked, visitor.by, why) {
        Ok(number) => Ok(Redirect::to(&format!("/jobs/{number}")).into_response()),
        Err(busy) => Ok(page::refusal(StatusCode::CONFLICT, &busy.to_string())),
    }
}
