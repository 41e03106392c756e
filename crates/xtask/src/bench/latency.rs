//! `cargo xtask bench latency`.

use ::bench::{
    Acknowledged, BenchError, Contender, Ground, LatencyOptions, LatencyRun, Summary, Voice, Warming, latency,
};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use service::Exit;

use super::Stage;
use super::contenders::Contenders;
use crate::failure::Failure;
use crate::table;

/// Records a second of the runs that warm the servers up.
const WARM_UP_RATE: u64 = 5_000;

/// Arguments of `bench latency`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    contenders: Contenders,
    /// Records a second, each rate for itself.
    #[arg(long, value_delimiter = ',', default_value = "1000,5000,10000", value_parser = clap::value_parser!(u64).range(1..))]
    rates: Vec<u64>,
    /// A drain's records a second: a half and four fifths of it are measured too.
    #[arg(long, value_name = "RATE")]
    drain_rate: Option<u64>,
    /// How long records are counted.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How long records are sent before, for every contender alike: the compilers of Java need it.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    warm_up: u64,
}

/// Everything that was measured, in the order in which it was.
#[derive(Default, Serialize)]
struct Measured {
    contenders: Vec<Contender>,
    /// For the servers' compilers; they do not count.
    warm_up: Vec<LatencyRun>,
    runs: Vec<LatencyRun>,
    failed: Vec<FailedRun>,
}

/// A contender that could not be measured at a rate.
#[derive(Serialize)]
struct FailedRun {
    contender: String,
    rate: u64,
    why: String,
}

/// Measures it. A key that was never seen makes it fail, and a contender that cannot be measured, after everything else was.
pub(crate) async fn run(arguments: Arguments, stage: &mut Stage) -> Result<Exit, Failure> {
    let (contenders, left_out) = arguments.contenders.ready(stage)?;
    let fractions = arguments.drain_rate.into_iter().flat_map(|rate| [rate / 2, rate * 4 / 5]);
    let rates: Vec<u64> = arguments.rates.iter().copied().chain(fractions).collect();
    let settings = json!({
        "rates": rates, "warm_up_seconds": arguments.warm_up, "seconds": arguments.seconds,
        "build": arguments.contenders.build().name(), "before": arguments.contenders.before(),
        "left_out": left_out,
    });
    let (ground, results) = (stage.ground(), stage.results("latency", settings));
    let measured = stage
        .attend(async move |voice| {
            let ground = ground(&voice).await?;
            let mut measured = Measured::default();
            for contender in &contenders {
                measured.add(&ground, contender, &rates, &arguments, &voice).await;
            }
            ground.stop().await?;
            Ok(Measured { contenders, ..measured })
        })
        .await?;
    let Some(measured) = measured else { return Ok(Exit::Failed) };
    let passed = measured.failed.is_empty() && measured.runs.iter().all(|run| run.never_seen == 0);
    stage.finish(told(&measured.runs), &results(measured))?;
    Ok(if passed { Exit::Done } else { Exit::Failed })
}

impl Measured {
    /// Measures one contender at all rates, on servers that are warm for what it asks of them: another one asks otherwise.
    async fn add(
        &mut self,
        ground: &Ground,
        contender: &Contender,
        rates: &[u64],
        arguments: &Arguments,
        voice: &Voice,
    ) {
        let options = |rate, seconds| LatencyOptions { rate, warm_up_seconds: arguments.warm_up, seconds };
        let mut warming = Warming::default();
        loop {
            let options = options(WARM_UP_RATE, arguments.warm_up.max(1));
            let run = match latency(ground, contender, options, voice).await {
                Ok(run) => run,
                Err(error) => return self.failed(contender, WARM_UP_RATE, &error, voice),
            };
            let goes_on = warming.goes_on(run.compiling_percent);
            self.warm_up.push(run);
            if !goes_on {
                break;
            }
        }
        for &rate in rates {
            match latency(ground, contender, options(rate, arguments.seconds), voice).await {
                Ok(run) => self.runs.push(run),
                Err(error) => self.failed(contender, rate, &error, voice),
            }
        }
    }

    fn failed(&mut self, contender: &Contender, rate: u64, error: &BenchError, voice: &Voice) {
        let (contender, why) = (contender.name.clone(), error.to_string());
        // Whoever listens no more does not stop the run.
        let _ = voice.send(format!("{contender} at {rate} records/s: {why}"));
        self.failed.push(FailedRun { contender, rate, why });
    }
}

fn told(runs: &[LatencyRun]) -> String {
    let columns = [
        "contender",
        "records/s",
        "measured",
        "samples",
        "p50 ms",
        "p90 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "never seen",
        "cores",
        "steal %",
    ];
    let number = |number: f64, digits: usize| Some(format!("{number:.digits$}"));
    let mut rows = Vec::new();
    let mut side_by_side: Vec<&LatencyRun> = runs.iter().collect();
    side_by_side.sort_by_key(|run| run.options.rate);
    for run in side_by_side {
        let mut row = |measured: &str, samples: f64, times: [Option<f64>; 5], never: Option<u64>| {
            let times = times.map(|time| time.map(|time| format!("{time:.1}")));
            let mut cells = vec![Some(run.contender.clone()), number(run.options.rate as f64, 0)];
            cells.extend([Some(measured.to_owned()), number(samples, 0)]);
            cells.extend(times.map(|time| Some(time.unwrap_or_else(|| "-".to_owned()))));
            cells.extend([Some(never.map_or_else(|| "-".to_owned(), |never| never.to_string()))]);
            cells.extend([number(run.contender_cores, 2), number(run.steal_percent, 1)]);
            rows.push(cells);
        };
        let of = |summary: Summary| {
            [summary.p50_ms, summary.p90_ms, summary.p99_ms, summary.p999_ms, summary.max_ms].map(Some)
        };
        if let Some(sent) = run.sent_late {
            row("sent late", sent.samples as f64, of(sent), None);
        }
        match run.visible {
            Some(visible) => row("visible", visible.samples as f64, of(visible), Some(run.never_seen)),
            None => row("visible", 0.0, [None; 5], Some(run.never_seen)),
        }
        if let Some(Acknowledged { records, p50_ms, p90_ms, p99_ms, p999_ms }) = run.acknowledged {
            row("acknowledged", records, [p50_ms, p90_ms, p99_ms, p999_ms, None], None);
        }
    }
    table::plain(&columns, &rows).to_string()
}
