//! For tests: a real HTTP server on loopback that answers as it is told, and as the API does when nothing is left to say.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

/// What is said to one request.
#[derive(Debug, Clone)]
pub enum Say {
    /// A status, a header `Retry-After` if any, and a body.
    Status(u16, Option<String>, &'static str),
    /// A body with status 200.
    Body(String),
    /// The beginning of a body, then the end of the connection.
    Half,
    /// Nothing for so long.
    Silence(Duration),
    /// Users of this seed, page and number, whatever was asked for; `info` tells the last number.
    Users(&'static str, u32, usize, usize),
}

/// One request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// Its query.
    pub query: String,
}

#[derive(Debug, Default)]
struct Script {
    next: VecDeque<Say>,
    seen: Vec<Seen>,
}

/// The server; it ends with the test's runtime.
#[derive(Debug, Clone)]
pub struct ScriptedApi {
    script: Arc<Mutex<Script>>,
    addr: SocketAddr,
}

impl ScriptedApi {
    /// Listens on a free port of loopback.
    pub async fn start(next: impl IntoIterator<Item = Say>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let script = Arc::new(Mutex::new(Script { next: next.into_iter().collect(), seen: Vec::new() }));
        let router = Router::new().route("/api/", get(answer)).with_state(Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { script, addr }
    }

    pub fn url(&self) -> String {
        format!("http://{}/api/", self.addr)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.script.lock().expect("the script").seen.clone()
    }
}

/// A well-formed answer.
pub fn users(seed: &str, page: u32, count: usize, told: usize) -> String {
    let user = |index| format!(r#"{{"login":{{"uuid":"{page}-{index}"}}}}"#);
    let users: Vec<_> = (0..count).map(user).collect();
    format!(
        r#"{{"results":[{}],"info":{{"seed":"{seed}","results":{told},"page":{page},"version":"1.4"}}}}"#,
        users.join(",")
    )
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let say = {
        let mut script = script.lock().expect("the script");
        script.seen.push(Seen { at: Instant::now(), query: query.clone() });
        script.next.pop_front()
    };
    match say {
        None => {
            let asked = |name: &str| {
                let pair = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
                pair.expect("a parameter").to_owned()
            };
            let count = asked("results").parse().expect("a number");
            users(&asked("seed"), asked("page").parse().expect("a number"), count, count).into_response()
        }
        Some(Say::Status(status, retry_after, body)) => {
            let mut response = Response::builder().status(status);
            if let Some(value) = retry_after {
                response = response.header("retry-after", value);
            }
            response.body(Body::from(body)).expect("an answer")
        }
        Some(Say::Body(body)) => body.into_response(),
        Some(Say::Half) => {
            let chunks = [Ok("{\"results\":[{"), Err(std::io::Error::other("the script says so"))];
            Body::from_stream(futures::stream::iter(chunks)).into_response()
        }
        Some(Say::Silence(time)) => {
            tokio::time::sleep(time).await;
            "".into_response()
        }
        Some(Say::Users(seed, page, count, told)) => users(seed, page, count, told).into_response(),
    }
}
