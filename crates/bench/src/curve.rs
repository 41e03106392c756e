//! How far a run had come at which time, and what it had used by then.

use serde::{Deserialize, Serialize};

/// Points of a curve that are kept in results.
const KEPT: usize = 100;
/// The part of a run that counts as steady: between these shares of its rows.
const STEADY: (f64, f64) = (0.2, 0.8);

/// A look at a run. All figures grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Since the start of the contender's process.
    pub seconds: f64,
    /// Written to the table.
    pub rows: f64,
    /// CPU seconds of the contender since its start.
    pub contender: f64,
    /// CPU seconds of Kafka since then.
    pub kafka: f64,
    /// CPU seconds of Cassandra since then.
    pub cassandra: f64,
}

impl Point {
    fn between(&self, next: &Self, share: f64) -> Self {
        self.combined(next, |one, two| one + (two - one) * share)
    }

    /// What was added since an earlier point.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        self.combined(earlier, |now, then| now - then)
    }

    fn combined(&self, other: &Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            seconds: combine(self.seconds, other.seconds),
            rows: combine(self.rows, other.rows),
            contender: combine(self.contender, other.contender),
            kafka: combine(self.kafka, other.kafka),
            cassandra: combine(self.cassandra, other.cassandra),
        }
    }

    /// Rows per second over it.
    pub(crate) fn rate(&self) -> f64 {
        self.rows / self.seconds.max(f64::EPSILON)
    }
}

/// See the module's page.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Curve(Vec<Point>);

impl Curve {
    pub(crate) fn push(&mut self, point: Point) {
        self.0.push(point);
    }

    pub(crate) fn points(&self) -> &[Point] {
        &self.0
    }

    pub(crate) fn last(&self) -> Point {
        self.0.last().copied().unwrap_or_default()
    }

    /// When so many rows were there, between two looks at even pace.
    fn at(&self, rows: f64) -> Option<Point> {
        let mut before = Point::default();
        for point in &self.0 {
            if point.rows >= rows {
                let step = point.rows - before.rows;
                let share = if step > 0.0 { (rows - before.rows) / step } else { 1.0 };
                return Some(before.between(point, share));
            }
            before = *point;
        }
        None
    }

    /// The steady part of a run of so many rows; none where it never came that far, or in one step.
    pub(crate) fn steady(&self, rows: f64) -> Option<Point> {
        let (from, to) = (self.at(STEADY.0 * rows)?, self.at(STEADY.1 * rows)?);
        let steady = to.since(&from);
        (steady.seconds > 0.0).then_some(steady)
    }

    /// The same curve with few points, the first and the last of them kept.
    pub(crate) fn thinned(&self) -> Self {
        let last = self.0.len().saturating_sub(1);
        let places = (0..KEPT).map(|place| place * last / (KEPT - 1));
        let mut places: Vec<usize> = places.collect();
        places.dedup();
        let rounded = |point: &Point| point.combined(point, |figure, _| (figure * 1_000.0).round() / 1_000.0);
        Self(places.into_iter().filter_map(|place| self.0.get(place)).map(rounded).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(f64, f64)]) -> Curve {
        Curve(
            points
                .iter()
                .map(|(seconds, rows)| Point {
                    seconds: *seconds,
                    rows: *rows,
                    contender: *rows / 1_000.0,
                    ..Point::default()
                })
                .collect(),
        )
    }

    #[test]
    fn the_steady_part_leaves_out_a_slow_start_and_a_slow_end() {
        // Ten seconds for nothing, then 100 a second, then a last row that takes long.
        let steady = curve(&[(10.0, 0.0), (11.0, 100.0), (12.0, 200.0), (20.0, 999.0), (60.0, 1_000.0)])
            .steady(1_000.0)
            .unwrap();
        assert!((steady.rate() - 100.0).abs() < 1.0, "{steady:?}");
        assert!((steady.rows - 600.0).abs() < 1e-6 && (steady.contender - 0.6).abs() < 1e-6, "{steady:?}");
    }

    #[test]
    fn looks_that_are_far_apart_are_interpolated() {
        let steady = curve(&[(0.0, 0.0), (10.0, 1_000.0)]).steady(1_000.0).unwrap();
        assert!((steady.seconds - 6.0).abs() < 1e-9, "{steady:?}");
    }

    #[test]
    fn a_run_that_did_not_come_far_has_no_steady_part() {
        assert_eq!(curve(&[(1.0, 500.0)]).steady(1_000.0), None);
        assert_eq!(curve(&[]).steady(1_000.0), None);
    }

    #[test]
    fn a_thinned_curve_keeps_both_ends() {
        let points: Vec<_> = (0..1_234).map(|n| (f64::from(n), f64::from(n))).collect();
        let thinned = curve(&points).thinned();
        assert_eq!((thinned.0.len(), thinned.0[0].rows, thinned.last().rows), (100, 0.0, 1_233.0));
        assert_eq!(curve(&points[..3]).thinned().0.len(), 3);
        assert_eq!(curve(&[]).thinned().0.len(), 0);
    }
}
