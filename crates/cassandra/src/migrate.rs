//! Applies the numbered DDL files of `cql/`. For stacks of one's own and tests: services never create tables.

use std::path::{Path, PathBuf};

use crate::error::CassandraError;
use crate::session::Session;
use crate::settings::CassandraSettings;

/// The DDL could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The folder or a file of it cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// What was read.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A statement was refused.
    #[error("{path}: {source}")]
    Statement {
        /// The statement's file.
        path: PathBuf,
        /// What the server said.
        #[source]
        source: CassandraError,
    },
}

impl Session {
    /// Runs every `*.cql` of `folder` in the order of their names, with the placeholders filled in.
    pub async fn migrate(&self, folder: &Path, settings: &CassandraSettings) -> Result<(), MigrateError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| MigrateError::Read { path, source }
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
            let path = entry.map_err(unreadable(folder))?.path();
            if path.extension().is_some_and(|extension| extension == "cql") {
                files.push(path);
            }
        }
        files.sort();
        for path in files {
            let text = std::fs::read_to_string(&path).map_err(unreadable(&path))?;
            for statement in statements(&filled(&text, settings)) {
                self.query(&statement)
                    .await
                    .map_err(|source| MigrateError::Statement { path: path.clone(), source })?;
            }
        }
        Ok(())
    }
}

fn filled(text: &str, settings: &CassandraSettings) -> String {
    text.replace("${CASSANDRA_KEYSPACE}", &settings.keyspace)
        .replace("${CASSANDRA_TABLE}", &settings.table)
        .replace("${CASSANDRA_REPLICATION_FACTOR}", &settings.replication_factor.to_string())
}

/// The statements of a DDL file: split at semicolons outside of quotes, none blank; `--` and `//` comments go.
pub fn statements(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut statement = String::new();
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '-' | '/') if chars.peek() == Some(&c) => {
                for skipped in chars.by_ref() {
                    if skipped == '\n' {
                        break;
                    }
                }
                statement.push('\n');
            }
            (None, ';') => all.push(std::mem::take(&mut statement)),
            (None, '\'' | '"') => {
                quote = Some(c);
                statement.push(c);
            }
            (Some(open), _) => {
                if c == open {
                    quote = None;
                }
                statement.push(c);
            }
            (None, _) => statement.push(c),
        }
    }
    all.push(statement);
    all.into_iter().map(|statement| statement.trim().to_owned()).filter(|statement| !statement.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_in_quotes_and_comments_do_not_split() {
        let text = "-- one; two\nCREATE TABLE a (b text) WITH comment = 'x; it''s -- y';\n// three\n;DROP TABLE a";
        assert_eq!(statements(text), ["CREATE TABLE a (b text) WITH comment = 'x; it''s -- y'", "DROP TABLE a"]);
    }
}
