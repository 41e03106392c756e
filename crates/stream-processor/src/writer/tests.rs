//! The writer against a table whose weather is scripted, on a clock that is moved by hand.

use std::collections::BTreeSet;

use proptest::prelude::*;
use schema::row::UserRow;
use schema::version::VersionMicros;
use service::metrics::Metrics as Registry;
use tokio::time::Instant as Clock;

use super::*;

fn error(class: Class, kind: &'static str) -> CassandraError {
    CassandraError { class, kind, message: kind.to_owned() }
}

/// What the table answers to a request for these keys, at that time and as that many-th request; none is an acknowledgement.
type Weather = dyn Fn(&[Uuid], Duration, usize) -> Option<CassandraError>;

struct Sky {
    begun: Clock,
    /// For rows.
    rows: Box<Weather>,
    /// For the place of a row.
    places: Box<Weather>,
    takes: Duration,
    requests: Cell<usize>,
    written: RefCell<BTreeSet<Uuid>>,
}

#[derive(Clone)]
struct Sim(Rc<Sky>);

impl Sim {
    fn new(rows: impl Fn(&[Uuid], Duration, usize) -> Option<CassandraError> + 'static) -> Self {
        Self::with_places(rows, |_, _, _| None)
    }

    fn with_places(
        rows: impl Fn(&[Uuid], Duration, usize) -> Option<CassandraError> + 'static,
        places: impl Fn(&[Uuid], Duration, usize) -> Option<CassandraError> + 'static,
    ) -> Self {
        Self(Rc::new(Sky {
            begun: Clock::now(),
            rows: Box::new(rows),
            places: Box::new(places),
            takes: Duration::from_millis(1),
            requests: Cell::new(0),
            written: RefCell::default(),
        }))
    }

    fn is_written(&self, row: &UserRow<'_>) -> bool {
        self.0.written.borrow().contains(&row.id)
    }
}

impl Table for Sim {
    async fn write(&self, rows: &[UserRow<'_>]) -> Result<(), CassandraError> {
        tokio::time::sleep(self.0.takes).await;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let request = self.0.requests.replace(self.0.requests.get() + 1);
        match (self.0.rows)(&ids, self.0.begun.elapsed(), request) {
            Some(error) => Err(error),
            None => {
                self.0.written.borrow_mut().extend(ids);
                Ok(())
            }
        }
    }

    async fn try_place(&self, id: Uuid) -> Result<(), CassandraError> {
        let request = self.0.requests.get();
        (self.0.places)(&[id], self.0.begun.elapsed(), request).map_or(Ok(()), Err)
    }

    async fn reopened(&self) -> Result<Self, CassandraError> {
        Ok(self.clone())
    }
}

fn id(number: usize) -> Uuid {
    Uuid::from_u128(number as u128)
}

fn rows(count: usize) -> Vec<UserRow<'static>> {
    (0..count)
        .map(|number| UserRow {
            id: id(number),
            version: VersionMicros::from_millis(1).expect("a version"),
            first_name: None,
            last_name: None,
            title: None,
            gender: None,
            address: None,
            city: None,
            state: None,
            country: None,
            nat: None,
            post_code: None,
            latitude: None,
            longitude: None,
            timezone: None,
            email: "a@b.c".into(),
            username: "ada".into(),
            dob: None,
            registered_date: None,
            phone: None,
            cell: None,
            picture: None,
            age_band: None,
            email_domain: "b.c".into(),
            source: "t/0/0".into(),
            run_id: None,
            schema_id: "flat",
        })
        .collect()
}

fn writer(table: &Sim) -> Writer<Sim> {
    let retry = RetrySettings {
        max_retries: 3,
        base: Duration::from_secs(1),
        max: Duration::from_secs(3),
        exponential_base: 2.0,
    };
    let health = Health::new();
    Writer {
        table: RefCell::new(Rc::new(table.clone())),
        gate: Gate::new(&retry, 8),
        retry,
        cluster: CASSANDRA.to_owned(),
        trying_again: Cell::new(0),
        held_up: Trouble::new("some rows".to_owned(), health.clone()),
        health,
        metrics: Metrics::new(&Registry::new(), "t"),
    }
}

/// The rows that were blamed, with the reason.
fn blamed(fates: &[Option<Fault>]) -> Vec<(usize, Reason)> {
    let each = fates.iter().enumerate();
    each.filter_map(|(number, fault)| Some((number, fault.as_ref()?.reason))).collect()
}

fn refuses(culprits: &'static [usize]) -> impl Fn(&[Uuid], Duration, usize) -> Option<CassandraError> {
    move |ids, _, _| {
        let refused = culprits.iter().any(|culprit| ids.contains(&id(*culprit)));
        refused.then(|| error(Class::Rejected, "invalid"))
    }
}

#[tokio::test(start_paused = true)]
async fn one_culprit_in_the_middle_of_ten_is_refused_alone() {
    let table = Sim::new(refuses(&[4]));
    let (writer, rows) = (writer(&table), rows(10));
    let fates = writer.write(&rows).await;
    assert_eq!(blamed(&fates), [(4, Reason::WriteRejected)]);
    assert!(rows.iter().enumerate().all(|(number, row)| table.is_written(row) == (number != 4)));
    assert_eq!(table.0.requests.get(), 11, "once together, then one by one");
}

#[tokio::test(start_paused = true)]
async fn two_culprits_are_both_found_and_nobody_else() {
    let table = Sim::new(refuses(&[0, 9]));
    let (writer, rows) = (writer(&table), rows(10));
    let fates = writer.write(&rows).await;
    assert_eq!(blamed(&fates), [(0, Reason::WriteRejected), (9, Reason::WriteRejected)]);
    assert_eq!(table.0.written.borrow().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_culprit_is_found_while_cassandra_is_overloaded_and_its_neighbours_are_not_blamed() {
    let refuses = refuses(&[4]);
    let table = Sim::new(move |ids, at, request| match request % 3 {
        0 => refuses(ids, at, request),
        1 => Some(error(Class::Overload, "overloaded")),
        _ => Some(error(Class::Overload, "write_timeout")),
    });
    let fates = writer(&table).write(&rows(10)).await;
    assert_eq!(blamed(&fates), [(4, Reason::WriteRejected)]);
    assert_eq!(table.0.written.borrow().len(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_refuses_everything_is_not_the_rows_fault() {
    let full = |_: &[Uuid], at: Duration, _| (at < Duration::from_secs(600)).then(|| error(Class::Rejected, "invalid"));
    let place = |_: &[Uuid], at: Duration, _| {
        (at < Duration::from_secs(600)).then(|| error(Class::Misconfigured, "refuses_writes"))
    };
    let table = Sim::with_places(full, place);
    let writer = writer(&table);
    let begun = Clock::now();
    let fates = writer.write(&rows(10)).await;
    assert!(blamed(&fates).is_empty());
    assert!(begun.elapsed() < Duration::from_secs(606), "it went on soon after: {:?}", begun.elapsed());
    assert!(writer.health.snapshot().ready);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_keeps_failing_alone_is_exhausted_even_when_nobody_else_writes() {
    let table = Sim::new(|ids, _, _| ids.contains(&id(1)).then(|| error(Class::Suspect, "write_failure")));
    let writer = writer(&table);
    let fates = writer.write(&rows(3)).await;
    assert_eq!(blamed(&fates), [(1, Reason::WriteExhausted)]);
    assert_eq!(
        table.0.requests.get(),
        1 + 1 + 4 + 1,
        "the batch, its neighbours once each, itself once and three more times"
    );
    assert_eq!(writer.gate.breaker().0, crate::breaker::State::Closed, "its failures do not stop the others");
}

#[tokio::test(start_paused = true)]
async fn replicas_that_fail_are_not_a_rows_fault_however_long_they_do_and_whoever_else_is_written() {
    let hour = Duration::from_secs(3_600);
    let failing = move |ids: &[Uuid], at: Duration, _| {
        (ids == [id(1)] && at < hour).then(|| error(Class::Suspect, "write_failure"))
    };
    let table = Sim::with_places(failing, failing);
    let writer = writer(&table);
    let (rows, begun) = (rows(2), Clock::now());
    let others = async {
        while begun.elapsed() < hour {
            writer.write(&rows[..1]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let named = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        writer.held_up.reason()
    };
    let (fates, (), named) = tokio::join!(writer.write(&rows[1..]), others, named);
    assert_eq!(fates, [None]);
    assert_eq!(named.as_deref(), Some("write_failure"), "and the trouble is named meanwhile");
    assert!(begun.elapsed() < hour + Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_waited_for_an_outage_is_written_within_seconds_of_its_end() {
    for outage in [1, 10, 60, 600, 7_200].map(Duration::from_secs) {
        let table = Sim::new(move |_, at, _| (at < outage).then(|| error(Class::Transient, "connection")));
        let writer = writer(&table);
        let (rows, begun) = (rows(80), Clock::now());
        let batches = rows.chunks(10).map(|batch| async { writer.write(batch).await });
        let fates = futures_join(batches).await;
        assert!(fates.iter().flatten().all(Option::is_none));
        assert!(begun.elapsed() < outage + Duration::from_millis(4_600), "{:?} after {outage:?}", begun.elapsed());
        assert!(writer.health.snapshot().ready);
    }
}

/// All at once, on this thread.
async fn futures_join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, done) in &mut running {
            if done.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if running.iter().all(|(_, done)| done.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    running.into_iter().filter_map(|(_, done)| done).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// I4: whatever the weather, exactly the culprits are blamed, and everybody else is written.
    #[test]
    fn in_any_weather_exactly_the_culprits_are_blamed(
        weather in prop::collection::vec(0u8..7, 0..200),
        refused in prop::collection::btree_set(0usize..30, 0..4),
        failing in prop::collection::btree_set(0usize..30, 0..3),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let culprits = (refused.clone(), failing.clone());
        let (fates, written) = runtime.block_on(async move {
            let storm = move |request: usize| match weather.get(request) {
                Some(0) => Some(error(Class::Transient, "connection")),
                Some(1) => Some(error(Class::Transient, "unavailable")),
                Some(2) => Some(error(Class::Transient, "client_timeout")),
                Some(3) => Some(error(Class::Overload, "write_timeout")),
                Some(4) => Some(error(Class::Misconfigured, "no_table")),
                _ => None,
            };
            let of_place = storm.clone();
            let table = Sim::with_places(
                move |ids, _, request| storm(request).or_else(|| {
                    let among = |culprits: &BTreeSet<usize>| culprits.iter().any(|culprit| ids.contains(&id(*culprit)));
                    if among(&culprits.0) {
                        Some(error(Class::Rejected, "invalid"))
                    } else {
                        among(&culprits.1).then(|| error(Class::Suspect, "server_error"))
                    }
                }),
                move |_, _, request| of_place(request),
            );
            let (writer, rows) = (writer(&table), rows(30));
            let batches = rows.chunks(10).map(|batch| async {
                    writer.write(batch).await
            });
            let fates: Vec<Option<Fault>> = futures_join(batches).await.into_iter().flatten().collect();
            let written: BTreeSet<Uuid> = table.0.written.borrow().clone();
            (fates, written)
        });
        for (number, fate) in fates.iter().enumerate() {
            let expected = if refused.contains(&number) {
                Some(Reason::WriteRejected)
            } else if failing.contains(&number) {
                Some(Reason::WriteExhausted)
            } else {
                None
            };
            prop_assert_eq!(fate.as_ref().map(|fault| fault.reason), expected);
            prop_assert_eq!(written.contains(&id(number)), expected.is_none());
        }
    }
}
