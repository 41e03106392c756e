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

/// Parses the command line.
///
/// # Errors
/// An error of usage; also `--help` and `--version`, whose text the error carries.
pub(super) fn parse<A: Args>(
    name: &'static str,
    about: &'static str,
    given: impl IntoIterator<Item = OsString>,
) -> Result<Arguments<A>, clap::Error> {
    let command = Arguments::<A>::command()
        .name(name)
        .bin_name(name)
        .about(about)
        .version(format!("{VERSION} ({REVISION})"))
        .after_help("Settings are environment variables; .env.example lists them all.");
    command.try_get_matches_from(given).and_then(|matches| Arguments::from_arg_matches(&matches))
}

/// How a process ends that was given such arguments.
pub(super) fn exit_of(error: &clap::Error) -> Exit {
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<(), Exit> {
        let given = std::iter::once("thing").chain(arguments.iter().copied()).map(OsString::from);
        parse::<NoArguments>("thing", "Does things", given).map(drop).map_err(|error| exit_of(&error))
    }

    #[test]
    fn help_and_version_end_well_and_errors_of_usage_end_with_64() {
        assert_eq!(parsed(&[]), Ok(()));
        assert_eq!(parsed(&["--help"]), Err(Exit::Done));
        assert_eq!(parsed(&["--version"]), Err(Exit::Done));
        assert_eq!(parsed(&["--chek"]), Err(Exit::Usage));
        assert_eq!(parsed(&["--check", "--print-config"]), Err(Exit::Usage));
    }
}
