//! One measured push: so many rows in a request, so many requests under way, on an empty table and a server at rest.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::ceiling::closed_loop::{self, Pass};
use crate::ceiling::rows::{Frames, Rows};
use crate::failure::BenchError;
use crate::ground::{CASSANDRA, Ground, SERVERS};
use crate::native::{self, Connection, Prepared};
use crate::sampler::Sampler;

/// Where on the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushPoint {
    /// Rows of one request; more than one are an unlogged batch.
    pub rows_per_request: usize,
    /// Requests that are not answered yet.
    pub in_flight: usize,
}

/// What came of it there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Push {
    /// Where.
    #[serde(flatten)]
    pub point: PushPoint,
    /// Rows written.
    pub rows: usize,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Rows over seconds.
    pub rows_per_second: f64,
    /// Of our one thread, for a row.
    pub client_cpu_us: f64,
    /// Of Cassandra, for a row.
    pub cassandra_cpu_us: f64,
    /// CPU time of the servers in which they compiled their own code, percent.
    #[serde(default)]
    pub compiling_percent: f64,
    /// Time that nobody used, percent.
    pub idle_percent: f64,
    /// Time that the host took from this machine, percent.
    pub steal_percent: f64,
    /// Whether the server had come to rest before.
    pub at_rest: bool,
}

impl fmt::Display for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PushPoint { rows_per_request, in_flight } = self.point;
        write!(
            f,
            "{rows_per_request} x {in_flight}: {:.0} rows/s, client {:.2} us, Cassandra {:.1} us",
            self.rows_per_second, self.client_cpu_us, self.cassandra_cpu_us
        )
    }
}

/// Pushes on one connection.
pub(crate) struct Pusher {
    rows: Arc<Rows>,
    prepared: Prepared,
    /// Here while nothing is pushed.
    connection: Option<Connection>,
    /// Made ready for the next push.
    frames: Option<Arc<Frames>>,
}

impl Pusher {
    pub(crate) async fn open(ground: &Ground, rows: Arc<Rows>) -> Result<Self, BenchError> {
        let (address, statement) = (native::address(&ground.cassandra)?, cassandra::upsert(&ground.cassandra));
        let open = move || {
            let mut connection = Connection::open(address)?;
            let prepared = connection.prepare(&statement)?;
            Ok::<_, BenchError>((connection, prepared))
        };
        let (connection, prepared) = tokio::task::spawn_blocking(open).await??;
        Ok(Self { rows, prepared, connection: Some(connection), frames: None })
    }

    /// Empties the table, makes the first `rows` ready, at most all there are, and waits until the server rests; whether it
    /// did.
    pub(crate) async fn make_ready(
        &mut self,
        ground: &Ground,
        point: PushPoint,
        rows: usize,
    ) -> Result<bool, BenchError> {
        self.frames = None;
        let (ready, prepared, rows) = (Arc::clone(&self.rows), self.prepared.clone(), rows.min(self.rows.len()));
        let make = move || ready.frames(&prepared, rows, point.rows_per_request);
        self.frames = Some(Arc::new(tokio::task::spawn_blocking(make).await?));
        ground.truncate().await?;
        Ok(ground.quiet().await?.is_some())
    }

    /// Pushes what was made ready; when the last answer had come.
    pub(crate) async fn go(&mut self, point: PushPoint, work_per_row: Duration) -> Result<(Pass, Instant), BenchError> {
        let missing = || BenchError::Unreadable("a push was broken off before this one".to_owned());
        let mut connection = self.connection.take().ok_or_else(missing)?;
        let frames = self.frames.clone().ok_or_else(missing)?;
        let push = move || {
            let pass = closed_loop::push(&mut connection, &frames, point.in_flight, work_per_row);
            (pass, Instant::now(), connection)
        };
        let (pass, at, connection) = tokio::task::spawn_blocking(push).await?;
        self.connection = Some(connection);
        Ok((pass?, at))
    }

    /// All of it, measured.
    pub(crate) async fn push(&mut self, ground: &Ground, point: PushPoint, rows: usize) -> Result<Push, BenchError> {
        self.push_with(ground, point, rows, Duration::ZERO).await
    }

    /// The same by a client that computes for so long for each row.
    pub(crate) async fn push_with(
        &mut self,
        ground: &Ground,
        point: PushPoint,
        rows: usize,
        work_per_row: Duration,
    ) -> Result<Push, BenchError> {
        let at_rest = self.make_ready(ground, point, rows).await?;
        let rows = self.frames.as_ref().map_or(0, |frames| frames.rows);
        let sampler = Sampler::start(&ground.servers()?)?;
        let before = sampler.sample_everything();
        let (pass, _) = self.go(point, work_per_row).await?;
        let span = sampler.sample_everything().since(&before);
        let per_row = |seconds: f64| seconds * 1e6 / rows.max(1) as f64;
        let seconds = pass.took.as_secs_f64();
        Ok(Push {
            rows,
            seconds,
            rows_per_second: rows as f64 / seconds.max(f64::EPSILON),
            client_cpu_us: per_row(pass.client_cpu.as_secs_f64()),
            cassandra_cpu_us: per_row(span.cpu_seconds(CASSANDRA)),
            compiling_percent: span.compiling_percent(&SERVERS),
            idle_percent: span.idle_percent,
            steal_percent: span.steal_percent,
            at_rest,
            ..Push::of(point)
        })
    }
}

impl Push {
    /// Nothing yet.
    pub(crate) fn of(point: PushPoint) -> Self {
        Self {
            point,
            rows: 0,
            seconds: 0.0,
            rows_per_second: 0.0,
            client_cpu_us: 0.0,
            cassandra_cpu_us: 0.0,
            compiling_percent: 0.0,
            idle_percent: 0.0,
            steal_percent: 0.0,
            at_rest: false,
        }
    }
}
