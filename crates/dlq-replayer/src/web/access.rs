//! Who is let in, and what every answer says to the browser.
//!
//! - Without a token in force only this machine reaches the address. A name server of somebody else's can make a browser here
//!   take it for another site's (DNS rebinding), so only names of loopback are answered to.
//! - With a token in force everything but the log-in needs a session or the token itself.
//! - What changes something is refused where the browser says that another site sends it, and needs the form token of its
//!   session; who brings the token in a header is no browser that was led on.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Extension, FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::{Form, RequestExt as _};
use service::admin::Guard;

use super::Pages;
use super::page;
use super::query::query_of;
use super::session::SessionId;
use crate::serve::locked;

/// The cookie that names the session.
const COOKIE: &str = "sluice_replayer";
/// The field of a form that carries its token.
pub(super) const FORM_TOKEN: &str = "form_token";
/// The log-in, which is let in without one.
pub(super) const LOGIN: &str = "/login";

/// Nothing but what the pages bring along, in no frame of another page, told to no other site and kept by no cache.
/// `same-origin` and not `no-referrer`: the latter takes the origin off our own forms.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Who sent a request that was let in.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// For the ledger.
    pub(super) by: String,
    /// Whether a name or a token was given.
    pub(super) is_logged_in: bool,
    /// The session; none for whoever brings the token in a header.
    session: Option<SessionId>,
    /// For the forms of a page.
    pub(super) form_token: String,
}

impl Visitor {
    pub(super) fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }
}

/// Stands before every page.
pub(super) async fn guarded(
    State(pages): State<Pages>,
    Extension(guard): Extension<Guard>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = answer(&pages, &guard, from.ip(), request, next).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn answer(pages: &Pages, guard: &Guard, from: IpAddr, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    if let Guard::Closed = guard {
        let why =
            "This page needs ADMIN_TOKEN: set it, or set ADMIN_ADDR to a loopback address such as 127.0.0.1:8002.";
        return page::refusal(StatusCode::FORBIDDEN, why);
    }
    if matches!(guard, Guard::Open) && !host(headers).is_some_and(is_loopback) {
        let why = "This page is served under a loopback name only, such as 127.0.0.1 or localhost. Behind a proxy set ADMIN_TOKEN.";
        return page::refusal(StatusCode::FORBIDDEN, why);
    }
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    if !looks && comes_from_elsewhere(headers) {
        return page::refusal(StatusCode::FORBIDDEN, "Another site has sent this: nothing was done.");
    }
    let (visitor, cookie) = match admit(pages, guard, from, headers) {
        Admission::Known(visitor) => (Some(visitor), None),
        Admission::New(visitor, cookie) => (Some(visitor), Some(cookie)),
        Admission::ToWait(wait) => return to_wait(wait),
        Admission::Nobody => (None, None),
    };
    match visitor {
        Some(visitor) => drop(request.extensions_mut().insert(visitor)),
        None if is_for_everybody(request.uri()) => {}
        None if looks => return Redirect::to(&login_of(request.uri())).into_response(),
        None => return page::refusal(StatusCode::UNAUTHORIZED, "Log in first: nothing was done."),
    }
    let mut response = next.run(request).await;
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

enum Admission {
    /// Has a session, or the token.
    Known(Visitor),
    /// Gets a cookie, where no token is in force.
    New(Visitor, HeaderValue),
    /// Has tried wrong tokens.
    ToWait(Duration),
    /// Has to log in.
    Nobody,
}

fn admit(pages: &Pages, guard: &Guard, from: IpAddr, headers: &HeaderMap) -> Admission {
    let now = Instant::now();
    let mut sessions = locked(&pages.sessions);
    let nameless = || format!("web@{from}");
    if let Guard::Token(token) = guard
        && let Some(given) = bearer(headers)
    {
        if let Some(wait) = sessions.wait(from, now) {
            return Admission::ToWait(wait);
        }
        if token.is(given) {
            return Admission::Known(Visitor {
                by: nameless(),
                is_logged_in: true,
                session: None,
                form_token: String::new(),
            });
        }
        sessions.guessed_wrong(from, now);
        return Admission::Nobody;
    }
    let given = cookie(headers).and_then(SessionId::parse);
    let visitor = |session: SessionId, name: Option<Option<String>>, form_token| Visitor {
        is_logged_in: name.is_some(),
        by: name.flatten().unwrap_or_else(nameless),
        form_token,
        session: Some(session),
    };
    let known = given.clone().and_then(|id| Some((sessions.used(&id, now)?, id)));
    match (known, guard) {
        (Some((name, id)), _) => {
            let form_token = sessions.form_token(&id);
            Admission::Known(visitor(id, Some(name), form_token))
        }
        (None, Guard::Open) => {
            let is_new = given.is_none();
            let id = given.unwrap_or_else(SessionId::new);
            let cookie = set_cookie(&id);
            let form_token = sessions.form_token(&id);
            let visitor = visitor(id, None, form_token);
            if is_new { Admission::New(visitor, cookie) } else { Admission::Known(visitor) }
        }
        (None, Guard::Token(_) | Guard::Closed) => Admission::Nobody,
    }
}

/// The cookie of a session, for as long as the browser runs. Not `Secure`: the service itself speaks plain HTTP.
pub(super) fn set_cookie(id: &SessionId) -> HeaderValue {
    let text = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", id.cookie());
    // Hexadecimal digits and what stands above.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(header::AUTHORIZATION)?.as_bytes().strip_prefix(b"Bearer ")
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// Whether a `Host` names this machine itself, with or without a port.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the browser says that a page of another site sends this. One that says nothing is none of today's.
fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    let origin = headers.get(header::ORIGIN);
    let is_ours = |origin: &HeaderValue| {
        let authority =
            origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
        authority.is_some_and(|authority| host(headers).is_some_and(|host| host.eq_ignore_ascii_case(authority)))
    };
    site.is_some_and(|site| site != "same-origin" && site != "none") || origin.is_some_and(|origin| !is_ours(origin))
}

fn is_for_everybody(uri: &Uri) -> bool {
    uri.path() == LOGIN || uri.path().starts_with("/assets/")
}

/// The log-in that leads back to where somebody wanted to go.
fn login_of(uri: &Uri) -> String {
    let wanted = uri.path_and_query().map_or("", |wanted| wanted.as_str());
    format!("{LOGIN}{}", query_of([("next", wanted)].into_iter()))
}

/// Where a log-in leads: to a page of ours, never to another site.
pub(super) fn next_of(wanted: &str) -> &str {
    let is_ours = wanted.starts_with('/')
        && !wanted.starts_with("//")
        && !wanted.contains(|character: char| character == '\\' || character.is_control());
    if is_ours { wanted } else { "/" }
}

/// The answer to somebody who has tried too many wrong tokens.
pub(super) fn to_wait(wait: Duration) -> Response {
    let seconds = wait.as_secs() + 1;
    let why = format!("Too many wrong tokens from this address: try again in {seconds} s.");
    let mut response = page::refusal(StatusCode::TOO_MANY_REQUESTS, &why);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// What a form has sent, with the token of its session.
#[derive(Debug)]
pub(super) struct Posted(pub(super) Vec<(String, String)>);

impl Posted {
    /// The first field of this name; empty where there is none.
    pub(super) fn field(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.trim())
    }
}

impl FromRequest<Pages> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, pages: &Pages) -> Result<Self, Response> {
        let visitor = request.extensions().get::<Visitor>().cloned();
        let Form(fields) =
            request.with_limited_body().extract::<Form<Vec<(String, String)>>, _>().await.map_err(|rejection| {
                page::refusal(rejection.status(), "This form cannot be read: nothing was done.")
            })?;
        let posted = Self(fields);
        let is_own = |id: &SessionId| locked(&pages.sessions).is_form_token(id, posted.field(FORM_TOKEN));
        match visitor.as_ref().map(Visitor::session) {
            // Nobody's browser sends the token by itself; and a log-in has no session to speak of.
            Some(None) | None => Ok(posted),
            Some(Some(id)) if is_own(id) => Ok(posted),
            Some(Some(_)) => {
                let why =
                    "This form is of another session: nothing was done. Go back, load the page again and repeat it.";
                Err(page::refusal(StatusCode::FORBIDDEN, why))
            }
        }
    }
}
