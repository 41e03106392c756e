//! The HTTP interface of every service: liveness, readiness, metrics, version, and what the service adds: actions, which are
//! guarded here, or pages, which guard themselves.

use std::convert::Infallible;
use std::future::IntoFuture as _;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::health::Health;
use crate::metrics::{CONTENT_TYPE, Metrics};
use crate::settings::{Reader, Secret};
use crate::version::{REVISION, VERSION};

/// `ADMIN_ADDR` and `ADMIN_TOKEN`.
#[derive(Debug, Clone)]
pub struct AdminSettings {
    addr: SocketAddr,
    token: Option<Secret>,
}

impl AdminSettings {
    /// Reads both variables.
    pub fn read(reader: &mut Reader) -> Self {
        let accepted = "an IP address and a port such as 127.0.0.1:8000 or 0.0.0.0:8000";
        let addr = reader.parse("ADMIN_ADDR", accepted, |text| text.parse().ok());
        Self {
            addr: addr.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0))),
            token: reader.secret("ADMIN_TOKEN"),
        }
    }
}

/// What a service adds to the interface, mounted once it is there. Clones share one slot.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    added: Arc<OnceLock<Added>>,
}

#[derive(Debug)]
enum Added {
    Actions(Router),
    Pages(Router),
}

impl Routes {
    /// Mounts `router`; only the first call counts. Everything but GET and HEAD is guarded by `ADMIN_TOKEN`.
    pub fn mount(&self, router: Router) {
        self.added.get_or_init(|| Added::Actions(router));
    }

    /// Mounts pages for people; only the first call counts. They guard themselves, looking included: each request brings the
    /// [`Guard`] in force and the [`ConnectInfo`](axum::extract::ConnectInfo) of its sender.
    pub fn mount_pages(&self, router: Router) {
        self.added.get_or_init(|| Added::Pages(router));
    }
}

/// The listener could not be had.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Another process listens there.
    #[error("ADMIN_ADDR {0} is in use: stop the process that listens there or set another ADMIN_ADDR")]
    InUse(SocketAddr),
    /// The address cannot be listened on at all.
    #[error(
        "ADMIN_ADDR {addr} cannot be listened on: {source}; set an address of this machine and a port that is allowed"
    )]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// A bound listener that does not answer yet.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    guards: Guards,
}

impl Admin {
    /// Listens on the address of the settings.
    ///
    /// # Errors
    /// The address is in use, or is none of this machine.
    pub async fn bind(settings: &AdminSettings) -> Result<Self, AdminError> {
        let addr = settings.addr;
        let listener = TcpListener::bind(addr).await.map_err(|source| {
            if source.kind() == io::ErrorKind::AddrInUse {
                AdminError::InUse(addr)
            } else {
                AdminError::Bind { addr, source }
            }
        })?;
        Ok(Self { listener, guards: Guards::new(addr.ip().is_loopback(), settings.token.clone()) })
    }

    /// Where it listens: the port is a real one even where the settings said 0.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until it is dropped.
    ///
    /// # Errors
    /// The listener broke.
    pub async fn serve(
        self,
        service: &'static str,
        health: Health,
        metrics: Metrics,
        routes: Routes,
    ) -> io::Result<()> {
        let router = router(Surface { service, health, metrics, routes, guards: self.guards });
        axum::serve(self.listener, router.into_make_service_with_connect_info::<SocketAddr>()).into_future().await
    }
}

/// Who is let in.
#[derive(Debug, Clone)]
pub enum Guard {
    /// Everyone: only this machine can reach the address.
    Open,
    /// Whoever has the token.
    Token(Secret),
    /// No one.
    Closed,
}

#[derive(Debug, Clone)]
struct Guards {
    /// Of what is more than looking.
    actions: Guard,
    /// Of pages for people, which show what records hold. A proxy may stand before a loopback address: a token that is set is
    /// asked for there too.
    pages: Guard,
}

impl Guards {
    fn new(is_loopback: bool, token: Option<Secret>) -> Self {
        let actions = if is_loopback { Guard::Open } else { token.clone().map_or(Guard::Closed, Guard::Token) };
        Self { pages: token.map_or_else(|| actions.clone(), Guard::Token), actions }
    }
}

#[derive(Debug, Clone)]
struct Surface {
    service: &'static str,
    health: Health,
    metrics: Metrics,
    routes: Routes,
    guards: Guards,
}

fn router(surface: Surface) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .fallback(added)
        .with_state(surface)
}

async fn livez(State(surface): State<Surface>) -> Response {
    let stuck = surface.health.stuck(Instant::now());
    let status = if stuck.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"alive": stuck.is_empty(), "stuck": stuck}))).into_response()
}

async fn readyz(State(surface): State<Surface>) -> Response {
    let snapshot = surface.health.snapshot();
    let status = if snapshot.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(snapshot)).into_response()
}

async fn metrics(State(surface): State<Surface>) -> Response {
    match surface.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn version(State(surface): State<Surface>) -> Response {
    Json(json!({"name": surface.service, "version": VERSION, "revision": REVISION})).into_response()
}

async fn added(State(surface): State<Surface>, mut request: Request) -> Result<Response, Infallible> {
    match surface.routes.added.get() {
        Some(Added::Actions(router)) => match refusal(&surface.guards.actions, &request) {
            Some(refusal) => Ok(refusal),
            None => router.clone().oneshot(request).await,
        },
        Some(Added::Pages(router)) => {
            request.extensions_mut().insert(surface.guards.pages);
            router.clone().oneshot(request).await
        }
        None => Ok(StatusCode::NOT_FOUND.into_response()),
    }
}

fn refusal(guard: &Guard, request: &Request) -> Option<Response> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    match guard {
        Guard::Open => None,
        Guard::Token(token) if carries(request, token) => None,
        Guard::Token(_) => {
            Some(refused(StatusCode::UNAUTHORIZED, "this needs the header authorization: Bearer ADMIN_TOKEN"))
        }
        Guard::Closed => {
            Some(refused(StatusCode::FORBIDDEN, "actions are off: set ADMIN_TOKEN, or ADMIN_ADDR to loopback"))
        }
    }
}

fn refused(status: StatusCode, why: &str) -> Response<Body> {
    (status, Json(json!({"error": why}))).into_response()
}

fn carries(request: &Request, token: &Secret) -> bool {
    let given = request.headers().get(header::AUTHORIZATION);
    given.and_then(|value| value.as_bytes().strip_prefix(b"Bearer ")).is_some_and(|given| token.is(given))
}

#[cfg(test)]
mod tests {
    use axum::Extension;
    use axum::routing::post;
    use serde_json::Value;

    use super::*;

    fn surface(guards: Guards) -> Surface {
        let (health, metrics) = (Health::new(), Metrics::new());
        Surface { service: "thing", health, metrics, routes: Routes::default(), guards }
    }

    fn guards(token: Option<&str>) -> Guards {
        Guards::new(false, token.map(Secret::new))
    }

    async fn answer(surface: Surface, method: Method, path: &str, token: Option<&str>) -> (StatusCode, Value) {
        surface.health.not_ready("kafka", "no topic", "create it");
        surface.routes.mount(Router::new().route("/v1/act", post(|| async { Json(json!({"acted": true})) })));
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = router(surface).oneshot(request).await.expect("an answer");
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 65_536).await.expect("a body");
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[tokio::test]
    async fn a_service_that_is_not_ready_says_why_and_what_mends_it() {
        let (status, body) = answer(surface(Guards::new(true, None)), Method::GET, "/readyz", None).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body["ready"], false);
        assert_eq!(
            (&body["reasons"][0]["what"], &body["reasons"][0]["remedy"]),
            (&"kafka".into(), &"create it".into())
        );
    }

    #[tokio::test]
    async fn an_action_needs_the_token_beyond_loopback_and_looking_never_does() {
        for (guards, given, expected) in [
            (Guards::new(true, None), None, StatusCode::OK),
            (guards(None), Some("hunter2"), StatusCode::FORBIDDEN),
            (guards(Some("hunter2")), None, StatusCode::UNAUTHORIZED),
            (guards(Some("hunter2")), Some("hunter"), StatusCode::UNAUTHORIZED),
            (guards(Some("hunter2")), Some("hunter3"), StatusCode::UNAUTHORIZED),
            (guards(Some("hunter2")), Some("hunter2"), StatusCode::OK),
        ] {
            let (status, _) = answer(surface(guards.clone()), Method::POST, "/v1/act", given).await;
            assert_eq!(status, expected, "{guards:?} {given:?}");
            let (status, _) = answer(surface(guards), Method::GET, "/livez", None).await;
            assert_eq!(status, StatusCode::OK);
        }
    }

    #[tokio::test]
    async fn pages_learn_who_is_let_in_and_guard_themselves() {
        let surface = surface(guards(Some("hunter2")));
        let page = |guard: Option<Extension<Guard>>| async move {
            Json(json!({"token": matches!(guard, Some(Extension(Guard::Token(_))))}))
        };
        surface.routes.mount_pages(Router::new().route("/", post(page)));
        let (status, body) = answer(surface, Method::POST, "/", None).await;
        assert_eq!((status, &body["token"]), (StatusCode::OK, &true.into()));
    }

    #[tokio::test]
    async fn a_listener_beyond_loopback_is_guarded_and_pages_wherever_a_token_is_set() {
        for (addr, token, actions, pages) in [
            ("127.0.0.1:0", None, "Open", "Open"),
            ("127.0.0.1:0", Some("hunter2"), "Open", "Token(<redacted>)"),
            ("0.0.0.0:0", None, "Closed", "Closed"),
            ("0.0.0.0:0", Some("hunter2"), "Token(<redacted>)", "Token(<redacted>)"),
        ] {
            let settings = AdminSettings { addr: addr.parse().expect("an address"), token: token.map(Secret::new) };
            let Guards { actions: a, pages: p } = Admin::bind(&settings).await.expect("a listener").guards;
            assert_eq!((&*format!("{a:?}"), &*format!("{p:?}")), (actions, pages), "{addr} {token:?}");
        }
    }
}
