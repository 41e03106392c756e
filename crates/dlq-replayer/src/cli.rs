//! The command line.

use clap::{Args, Subcommand, ValueEnum};

use crate::export::ExportArguments;
use crate::job::command::{JobArguments, ReplayArguments};
use crate::preflight::PreflightArguments;
use crate::selection::Selection;

/// What a command writes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Table,
    /// One JSON object a line for lists, one object otherwise
    Json,
}

/// What the binary takes.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// What to do; not needed with --check and --print-config.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Watch the dead letters and show their states as metrics, until told to end
    Serve,
    /// List dead letters; unresolved ones unless --state says otherwise
    Ls {
        /// How to show them
        #[arg(long, value_enum, default_value_t)]
        output: Output,
        /// Which ones.
        #[command(flatten)]
        selection: Selection,
    },
    /// Show one dead letter in full
    Show {
        /// As ls lists it: user_data/3/1042, producer/<run>/<page>/<index> or dlq/<partition>/<offset>
        id: String,
        /// How to show it
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Count dead letters that failed alike, with an example each; unresolved ones unless --state says otherwise
    Group {
        /// How to show the groups
        #[arg(long, value_enum, default_value_t)]
        output: Output,
        /// Which ones.
        #[command(flatten)]
        selection: Selection,
    },
    /// Write dead letters as JSON lines; unresolved ones unless --state says otherwise
    Export(ExportArguments),
    /// Count dead letters by state, reason and stage; all of them unless flags say otherwise
    Stats {
        /// How to show the counts
        #[arg(long, value_enum, default_value_t)]
        output: Output,
        /// Which ones.
        #[command(flatten)]
        selection: Selection,
    },
    /// Tell what a replay of dead letters would come to, and change nothing; unresolved ones unless --state says otherwise
    ///
    /// Decodes, judges and maps each record as the processor does, and asks Cassandra which rows are newer. Exact up to what is
    /// written meanwhile, and to rows that somebody deleted: a deletion cannot be seen beforehand.
    Preflight(PreflightArguments),
    /// Publish dead letters again and wait until they are home; unresolved ones unless --state says otherwise
    ///
    /// Ends with 0 when all of them were processed, with 2 when some were not: back as dead letters, refused, parked because
    /// their attempts are used up, or not processed yet. Stopping it at any time is safe: what was replayed is accounted for
    /// and not taken again.
    Replay(ReplayArguments),
    /// Keep dead letters on the parked topic and try them no more; unresolved ones unless --state says otherwise
    ///
    /// They are taken back with: replay --state parked
    Park(JobArguments),
    /// Give dead letters up; unresolved ones unless --state says otherwise
    ///
    /// Nothing is deleted: they stay on their topic until retention takes them.
    Discard(JobArguments),
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(line: &[&str]) -> Result<Command, String> {
        let parsed = Line::try_parse_from(std::iter::once(&"dlq-replayer").chain(line));
        parsed.map(|line| line.arguments.command.expect("a command")).map_err(|error| error.to_string())
    }

    #[test]
    fn only_what_is_built_is_in_the_help() {
        let names: Vec<_> = Line::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
        assert_eq!(
            names,
            ["serve", "ls", "show", "group", "export", "stats", "preflight", "replay", "park", "discard"]
        );
        Line::command().debug_assert();
    }

    #[test]
    fn a_replay_needs_a_reason() {
        assert!(parse(&["replay", "--yes"]).is_err_and(|error| error.contains("--why")));
        assert!(parse(&["replay", "--yes", "--why", " "]).is_err_and(|error| error.contains("a reason is needed")));
        assert!(parse(&["replay", "--why", &"x".repeat(501)]).is_err_and(|error| error.contains("500")));
        let Ok(Command::Replay(replay)) = parse(&["replay", "--why", " fixed ", "--rate", "5", "--output", "json"])
        else {
            panic!("no replay");
        };
        assert_eq!((replay.job.why.as_deref(), replay.rate, replay.job.yes), (Some("fixed"), Some(5), false));
        assert_eq!(replay.job.output, Output::Json);
    }

    #[test]
    fn a_dry_run_needs_no_reason_and_a_canary_has_its_tolerance() {
        for command in ["replay", "park", "discard"] {
            assert!(parse(&[command, "--dry-run"]).is_ok(), "{command}");
        }
        let Ok(Command::Replay(replay)) = parse(&["replay", "--dry-run", "--canary", "5"]) else { panic!("no replay") };
        assert_eq!((replay.canary, replay.abort_if_boomerang), (Some(5), 0.0), "none may come back unless told");
        for wrong in
            [&["--canary", "0"][..], &["--abort-if-boomerang", "5"], &["--canary", "1", "--abort-if-boomerang", "101"]]
        {
            assert!(parse(&[&["replay", "--dry-run"], wrong].concat()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_list_takes_the_same_selection() {
        for command in ["ls", "group", "export", "stats", "preflight", "replay", "park", "discard"] {
            let mut line = vec![
                command,
                "--reason",
                "quality_rule",
                "--stage",
                "quality",
                "--fingerprint",
                "f",
                "--rule",
                "r",
                "--since",
                "1h",
                "--until",
                "1m",
                "--partition",
                "1",
                "--id",
                "a",
                "--state",
                "all",
                "--limit",
                "3",
            ];
            if ["replay", "park", "discard"].contains(&command) {
                line.extend(["--why", "x"]);
            }
            assert!(parse(&line).is_ok(), "{command}: {:?}", parse(&line));
        }
        assert!(parse(&["show"]).is_err());
    }
}
