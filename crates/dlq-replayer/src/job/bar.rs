//! The progress of a job on a terminal: how many are done, how fast, how long it will take.

use std::fmt;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::job::progress::{Phase, Progress};

/// A bar on standard error, where that is a terminal; else nothing is drawn.
pub(super) struct Bar {
    drawing: JoinHandle<()>,
}

impl Bar {
    /// Draws whatever is told, until nobody tells any more.
    pub(super) fn show(mut watched: watch::Receiver<Progress>) -> Self {
        let drawing = tokio::spawn(async move {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let mut phase = Phase::Preparing;
            while watched.changed().await.is_ok() {
                let progress = watched.borrow_and_update().clone();
                if progress.phase == Phase::Done {
                    break;
                }
                let (done, all) = place(&progress);
                bar.set_length(all);
                if progress.phase != phase {
                    phase = progress.phase;
                    // The rate is that of the phase.
                    bar.reset();
                    bar.set_style(style(phase));
                    bar.enable_steady_tick(Duration::from_millis(250));
                }
                bar.set_position(done);
            }
            bar.finish_and_clear();
        });
        Self { drawing }
    }

    /// Waits until the bar is taken off.
    pub(super) async fn ended(self) {
        if let Err(error) = self.drawing.await {
            tracing::warn!(%error, "the progress bar ended early");
        }
    }
}

/// How many letters are done with in this phase, of how many.
fn place(progress: &Progress) -> (u64, u64) {
    let report = &progress.report;
    let (done, all) = match progress.phase {
        Phase::Waiting => (report.replayed.saturating_sub(report.unconfirmed + report.not_followed), report.replayed),
        Phase::Preparing | Phase::Publishing | Phase::Done => (report.done() + report.refused, report.selected),
    };
    (done as u64, all as u64)
}

fn style(phase: Phase) -> ProgressStyle {
    let style = ProgressStyle::with_template(template(phase)).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("rate", |state: &ProgressState, text: &mut dyn fmt::Write| {
        // A text that takes nothing more shows less.
        let _ = write!(text, "{:.0}/s", state.per_sec());
    })
}

const fn template(phase: Phase) -> &'static str {
    match phase {
        Phase::Preparing | Phase::Publishing | Phase::Done => "sent {wide_bar} {pos}/{len} {rate} {eta} left",
        Phase::Waiting => "home {wide_bar} {pos}/{len} {rate} {eta} left",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    #[test]
    fn the_bar_counts_what_was_sent_and_then_what_is_home() {
        let report = Report { selected: 10, replayed: 6, parked: 1, refused: 1, unconfirmed: 4, ..Report::default() };
        let at = |phase| place(&Progress { phase, report: report.clone() });
        assert_eq!(at(Phase::Publishing), (8, 10));
        assert_eq!(at(Phase::Waiting), (2, 6));
    }

    #[test]
    fn every_phase_has_its_style() {
        for phase in [Phase::Preparing, Phase::Publishing, Phase::Waiting, Phase::Done] {
            assert!(ProgressStyle::with_template(template(phase)).is_ok());
        }
    }
}
