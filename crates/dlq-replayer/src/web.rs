//! The web page of `serve`: groups, lists and letters as they are in the book, and jobs.
//!
//! Everything is rendered here and works without scripts; one small script keeps the counts of a running job up to date. What
//! a record holds is shown as text and never as markup: the templates escape, and the policy of every answer lets no inline
//! script or style run.
//!
//! - [`access`]: who is let in; [`session`]: who it is; [`query`]: a selection as the query of an address.
//! - [`overview`], [`letters`], [`letter`]: looking; [`act`]: asking for a job and agreeing to it; [`jobs`]: jobs under way.

mod access;
mod act;
mod filters;
mod jobs;
mod letter;
mod letters;
mod login;
mod overview;
mod page;
mod query;
mod session;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use service::health::Health;
use service::process::Context;
use tokio::sync::Notify;

use crate::book::Book;
use crate::mailroom::{MailError, Mailroom};
use crate::serve::{Seen, locked};
use crate::settings::ReplayerSettings;
use crate::web::access::Visitor;
pub(crate) use crate::web::jobs::Jobs;
use crate::web::page::Frame;
use crate::web::session::Sessions;

/// Bytes of a form, at most.
const LARGEST_FORM: usize = 64 << 10;

/// What the pages stand on. Clones share everything.
#[derive(Clone)]
pub(crate) struct Pages {
    settings: Arc<ReplayerSettings>,
    mailroom: Mailroom,
    health: Health,
    seen: Arc<Mutex<Seen>>,
    sessions: Arc<Mutex<Sessions>>,
    jobs: Jobs,
}

impl Pages {
    /// Pages that show what `seen` holds; `news` is rung when a job has ended.
    pub(crate) fn new(
        settings: &ReplayerSettings,
        context: &Context,
        seen: Arc<Mutex<Seen>>,
        news: Arc<Notify>,
    ) -> Self {
        let settings = Arc::new(settings.clone());
        Self {
            mailroom: Mailroom::new(&settings.kafka),
            jobs: Jobs::new(Arc::clone(&settings), context.shutdown.clone(), news),
            sessions: Arc::new(Mutex::new(Sessions::new())),
            health: context.health.clone(),
            settings,
            seen,
        }
    }

    /// The jobs that were started from the pages.
    pub(crate) fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// All pages.
    pub(crate) fn router(self) -> Router {
        let asset =
            |kind: &'static str, text: &'static str| get(move || async move { ([(header::CONTENT_TYPE, kind)], text) });
        Router::new()
            .route("/", get(overview::show))
            .route("/letters", get(letters::show))
            .route("/letters/{partition}/{offset}", get(letter::show))
            .route("/confirm", get(act::confirm))
            .route("/jobs", get(jobs::list).post(act::start))
            .route("/jobs/{number}", get(jobs::show))
            .route("/jobs/{number}/stop", post(jobs::stop))
            .route(access::LOGIN, get(login::show).post(login::log_in))
            .route("/logout", post(login::log_out))
            .route("/assets/style.css", asset("text/css; charset=utf-8", include_str!("web/style.css")))
            .route("/assets/script.js", asset("text/javascript; charset=utf-8", include_str!("web/script.js")))
            .route("/assets/icon.svg", asset("image/svg+xml", include_str!("web/icon.svg")))
            .fallback(|| async { page::refusal(StatusCode::NOT_FOUND, "There is no such page.") })
            .layer(axum::middleware::from_fn_with_state(self.clone(), access::guarded))
            .layer(DefaultBodyLimit::max(LARGEST_FORM))
            .with_state(self)
    }

    /// Asks the book, which may be large, beside the loops of the service.
    async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Book) -> T + Send + 'static) -> Result<T, PageError> {
        let seen = Arc::clone(&self.seen);
        let answer = tokio::task::spawn_blocking(move || question(&locked(&seen).book));
        answer.await.map_err(|error| PageError::Mail(MailError::Task(error)))
    }

    /// The frame of a page, with what is wrong at the moment.
    fn frame(&self, title: impl Into<String>, visitor: &Visitor) -> Frame {
        let away = self.health.snapshot().reasons.into_iter();
        let mut notices: Vec<_> = away.map(|away| format!("{}: {}. {}", away.what, away.reason, away.remedy)).collect();
        // Held while a topic is read: the page that follows says what there is.
        if let Ok(seen) = self.seen.try_lock()
            && let Some(unreadable) = seen.book.unreadable()
        {
            notices.push(format!("States may be older than they should be: {unreadable}."));
        }
        Frame::new(title, visitor, notices)
    }
}

/// There is no page to show.
#[derive(Debug, thiserror::Error)]
enum PageError {
    /// Dead letters or ledger cannot be read.
    #[error("{0}")]
    Mail(#[from] MailError),
    /// There is no such thing.
    #[error("There is no such {0}.")]
    NoSuch(&'static str),
    /// The address asks for what cannot be asked for.
    #[error("{0}")]
    Wrong(String),
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Mail(error) => {
                tracing::warn!(%error, "a page cannot be shown");
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::NoSuch(_) => StatusCode::NOT_FOUND,
            Self::Wrong(_) => StatusCode::BAD_REQUEST,
        };
        page::refusal(status, &self.to_string())
    }
}

#[cfg(test)]
mod tests;
