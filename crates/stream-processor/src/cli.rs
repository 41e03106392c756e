//! The command line.

use clap::{Args, Subcommand, ValueEnum};

/// What a command writes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Table,
    /// One JSON object
    Json,
}

/// What the binary takes.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// What to do instead of carrying records.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do instead of carrying records.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Count the records of the topic again and compare them with the accounts in the group's commits
    ///
    /// Ends with 1 when records are unaccounted for. Reads everything that was committed and changes nothing; safe while
    /// processors run.
    Audit {
        /// How to show it
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
}
