//! Telling who one is: with the token where one is in force, else just by name.

use std::net::SocketAddr;
use std::time::Instant;

use askama::Template;
use axum::extract::{ConnectInfo, Extension, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use service::admin::Guard;

use super::Pages;
use super::access::{self, Posted, Visitor};
use super::page::{self, Frame, rendered};
use super::session::name_of;
use crate::serve::locked;

#[derive(Debug, Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    next: String,
    needs_token: bool,
    problem: &'static str,
}

impl LoginPage {
    fn new(visitor: Option<Extension<Visitor>>, guard: &Guard, next: &str, problem: &'static str) -> Self {
        let needs_token = matches!(guard, Guard::Token(_));
        let title = if needs_token { "Log in" } else { "Your name" }.to_owned();
        let frame = match visitor {
            Some(Extension(visitor)) => Frame::new(title, &visitor, Vec::new()),
            None => {
                Frame { title, by: String::new(), is_logged_in: false, form_token: String::new(), notices: Vec::new() }
            }
        };
        Self { frame, next: access::next_of(next).to_owned(), needs_token, problem }
    }
}

/// `GET /login`
pub(super) async fn show(
    visitor: Option<Extension<Visitor>>,
    Extension(guard): Extension<Guard>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    let next = query.iter().find(|(name, _)| name == "next").map_or("/", |(_, next)| next);
    rendered(&LoginPage::new(visitor, &guard, next, ""))
}

/// `POST /login`
pub(super) async fn log_in(
    State(pages): State<Pages>,
    visitor: Option<Extension<Visitor>>,
    Extension(guard): Extension<Guard>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    posted: Posted,
) -> Response {
    let (from, now) = (from.ip(), Instant::now());
    let cookie = {
        let mut sessions = locked(&pages.sessions);
        if let Guard::Token(token) = &guard {
            if let Some(wait) = sessions.wait(from, now) {
                return access::to_wait(wait);
            }
            if !token.is(posted.field("token").as_bytes()) {
                sessions.guessed_wrong(from, now);
                tracing::warn!(%from, "log-in with a wrong token");
                let page = LoginPage::new(visitor, &guard, posted.field("next"), "This is not the token.");
                return (StatusCode::FORBIDDEN, rendered(&page)).into_response();
            }
            sessions.guessed_right(from);
        }
        // A new session, so that nobody who knew the old one is logged in too.
        if let Some(old) = visitor.as_ref().and_then(|visitor| visitor.session()) {
            sessions.end(old);
        }
        access::set_cookie(&sessions.begin(name_of(posted.field("name")), now))
    };
    let mut response = Redirect::to(access::next_of(posted.field("next"))).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

/// `POST /logout`
pub(super) async fn log_out(State(pages): State<Pages>, Extension(visitor): Extension<Visitor>, _: Posted) -> Response {
    let Some(session) = visitor.session() else {
        return page::refusal(StatusCode::BAD_REQUEST, "There is no session to end.");
    };
    locked(&pages.sessions).end(session);
    Redirect::to("/").into_response()
}
