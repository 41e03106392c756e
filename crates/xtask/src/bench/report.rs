//! `cargo xtask bench report`: the tables of the README and the plots, made of the files in `bench/results`.

use ::bench::Report;
use clap::Args;
use service::Exit;

use crate::failure::Failure;
use crate::{screen, workspace};

/// Arguments of `bench report`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail where the README or a plot is not what the files give.
    #[arg(long)]
    check: bool,
}

/// Makes or compares them.
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let report = Report::of(&workspace::bench_results(), &workspace::root().join("README.md"))?;
    if arguments.check {
        let differing = report.differing()?;
        for path in &differing {
            let path = path.strip_prefix(workspace::root()).unwrap_or(path);
            screen::print(&format!("{} is not what bench/results gives", path.display()))?;
        }
        if !differing.is_empty() {
            screen::print("write it anew with `cargo xtask bench report`")?;
            return Ok(Exit::Failed);
        }
    } else {
        report.write()?;
    }
    screen::print(&match report.taken.as_slice() {
        [] => "bench/results has no file of a whole run".to_owned(),
        taken => format!("made of {}", taken.join(", ")),
    })?;
    Ok(Exit::Done)
}
