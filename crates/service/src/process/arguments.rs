//! The command line that every service has, around what a service adds.

use std::ffi::OsString;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser};

use crate::exit::Exit;
use crate::version::{REVISION, VERSION};

/// The arguments of a service that has none of its own.
#[derive(Debug, Clone, Default, Args)]
pub struct NoArguments {}

/// What was asked for.
#[derive(Debug, Parser)]
#[group(skip)]
pub(super) struct Arguments<A: Args> {
    /// Print the settings in force, secrets redacted, and end
    #[arg(long)]
    pub(super) print_config: bool,
    /// Try every dependency, one line each, change nothing, and end with 0 or 1
    #[arg(long, conflicts_with = "print_config")]
    pub(super) check: bool,
    #[command(flatten)]
    pub(super) own: A,
}

/// Parses the command line. `--help` and `--version` are printed here, and so is an error of usage.
#[expect(clippy::print_stderr, reason = "errors of usage belong on standard error")]
pub(super) fn parse<A: Args>(
    name: &'static str,
    about: &'static str,
    given: impl IntoIterator<Item = OsString>,
) -> Result<Arguments<A>, Exit> {
    let command = Arguments::<A>::command()
        .name(name)
        .bin_name(name)
        .about(about)
        .version(format!("{VERSION} ({REVISION})"))
        .after_help("Settings are environment variables; .env.example lists them all.");
    let parsed = command.try_get_matches_from(given).and_then(|matches| Arguments::from_arg_matches(&matches));
    parsed.map_err(|error| {
        let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
        if let Err(error) = error.print() {
            eprintln!("{error}");
        }
        exit
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit_of(arguments: &[&str]) -> Result<(), Exit> {
        let given = std::iter::once("thing").chain(arguments.iter().copied()).map(OsString::from);
        parse::<NoArguments>("thing", "Does things", given).map(drop)
    }

    #[test]
    fn help_and_version_end_well_and_errors_of_usage_end_with_64() {
        assert_eq!(exit_of(&[]), Ok(()));
        assert_eq!(exit_of(&["--help"]), Err(Exit::Done));
        assert_eq!(exit_of(&["--version"]), Err(Exit::Done));
        assert_eq!(exit_of(&["--chek"]), Err(Exit::Usage));
        assert_eq!(exit_of(&["--check", "--print-config"]), Err(Exit::Usage));
    }
}
