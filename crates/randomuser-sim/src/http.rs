//! The HTTP interface: the API's own routes, and those that steer the simulator.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::Utc;
use futures::stream;
use serde_json::json;
use service::shutdown::Shutdown;

use crate::answer::{Answer, Lie};
use crate::asked::{Asked, fresh_seed};
use crate::catalogue::Catalogue;
use crate::fault::{Fault, Plan, RetryAfter, USUAL_ERROR};
use crate::hostile::Share;
use crate::limit::{Grants, Limit};
use crate::stats::{Counters, Stats};

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    catalogue: Catalogue,
    gate: Mutex<Gate>,
    counters: Counters,
    shutdown: Shutdown,
}

/// What is decided together, before an answer is made.
#[derive(Debug)]
struct Gate {
    plan: Plan,
    grants: Grants,
}

impl Shared {
    /// Nothing ordered, nothing granted.
    pub(crate) fn new(limit: Limit, shutdown: Shutdown) -> Arc<Self> {
        Arc::new(Self {
            catalogue: Catalogue::new(),
            gate: Mutex::new(Gate { plan: Plan::default(), grants: Grants::new(limit) }),
            counters: Counters::default(),
            shutdown,
        })
    }

    /// Decides on the answer; none when the client has had its users. A refused request leaves the ordered faults alone, and an
    /// answer without users costs none.
    fn admit(&self, client: SocketAddr, users: u32) -> Option<(Fault, Share)> {
        let now = Instant::now();
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if !gate.grants.has_room(client.ip(), users, now) {
            return None;
        }
        let fault = gate.plan.take();
        if fault.carries_users() {
            gate.grants.grant(client.ip(), users, now);
        }
        Some((fault, gate.plan.share.clone()))
    }

    fn plan(&self) -> Plan {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner).plan.clone()
    }

    fn order(&self, plan: Plan) {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner).plan = plan;
    }
}

/// Every route.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/api", get(users))
        .route("/api/", get(users))
        .route("/api/1.4", get(users))
        .route("/api/1.4/", get(users))
        .route("/faults", get(plan).put(order).delete(mend))
        .route("/stats", get(stats))
        .route("/livez", get(async || "ok\n"))
        .with_state(shared)
}

async fn users(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Response {
    shared.counters.request();
    let asked = Asked::parse(&parameters, fresh_seed);
    let Some((fault, share)) = shared.admit(client, asked.results) else {
        shared.counters.rate_limited();
        tracing::debug!(users = asked.results, "limit reached");
        return (StatusCode::TOO_MANY_REQUESTS, Json(json!({ "error": USUAL_ERROR }))).into_response();
    };
    if !fault.is_none() {
        shared.counters.fault();
        tracing::debug!(?fault, "fault served");
    }
    if let Some(delay) = fault.delay() {
        shared.shutdown.cuts(tokio::time::sleep(delay)).await;
    }
    let (kind, body) = body(&shared, asked, &fault, &share);
    respond(kind, body, &fault)
}

const JSON: &str = "application/json; charset=utf-8";
const HTML: &str = "text/html";

/// The body as it would be if nothing cut it short, and its type.
fn body(shared: &Shared, mut asked: Asked, fault: &Fault, share: &Share) -> (&'static str, Vec<u8>) {
    if let Some(text) = fault.error_text() {
        return (JSON, json!({ "error": text }).to_string().into_bytes());
    }
    if fault.is_html() {
        let status = fault.status();
        let page = format!(
            "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        return (HTML, page.into_bytes());
    }
    if let Some(page) = fault.page {
        asked.page = page;
    }
    if let Some(seed) = &fault.seed {
        asked.seed.clone_from(seed);
    }
    let lie =
        if fault.empty { Lie { users: Some(0), results: Some(1) } } else { Lie { users: fault.count, results: None } };
    let answer = Answer::render(&shared.catalogue, &asked, lie, share, Utc::now().date_naive());
    if !fault.truncate && !fault.disconnect {
        shared.counters.users(answer.users, answer.spoiled);
    }
    (JSON, answer.body)
}

fn respond(kind: &'static str, mut body: Vec<u8>, fault: &Fault) -> Response {
    let half = body.len() / 2;
    let mut response = if fault.disconnect {
        let whole = body.len();
        body.truncate(half);
        let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let mut response = Body::from_stream(stream::iter([Ok(body), Err(cut)])).into_response();
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(whole));
        response
    } else {
        if fault.truncate {
            body.truncate(half);
        }
        body.into_response()
    };
    *response.status_mut() = StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let retry_after = match &fault.retry_after {
        Some(RetryAfter::Seconds(seconds)) => Some(HeaderValue::from(*seconds)),
        Some(RetryAfter::Text(text)) => HeaderValue::from_str(text).ok(),
        None => None,
    };
    if let Some(value) = retry_after {
        headers.insert(RETRY_AFTER, value);
    }
    response
}

async fn plan(State(shared): State<Arc<Shared>>) -> Json<Plan> {
    Json(shared.plan())
}

async fn order(State(shared): State<Arc<Shared>>, json: Bytes) -> Response {
    match Plan::parse(&json) {
        Ok(plan) => {
            tracing::info!(next = plan.next.len(), always = plan.always.is_some(), "faults ordered");
            shared.order(plan.clone());
            Json(plan).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, Json(json!({ "error": error.to_string() }))).into_response(),
    }
}

async fn mend(State(shared): State<Arc<Shared>>) -> Json<Plan> {
    tracing::info!("faults taken back");
    shared.order(Plan::default());
    Json(Plan::default())
}

async fn stats(State(shared): State<Arc<Shared>>) -> Json<Stats> {
    Json(shared.counters.read())
}
