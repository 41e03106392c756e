//! The report of `--check`.

use std::fmt::Display;
use std::io::{Stdout, Write};
use std::time::Duration;

use crate::exit::Exit;

/// How long one dependency has to answer.
const LIMIT: Duration = Duration::from_secs(30);

/// One line on standard output for each dependency, as soon as its answer is known.
#[derive(Debug)]
pub struct Checks<W = Stdout> {
    output: W,
    failed: bool,
}

impl<W: Write> Checks<W> {
    pub(super) fn new(output: W) -> Self {
        Self { output, failed: false }
    }

    /// Tries `what` and prints `ok <what> <detail>` or `FAILED <what> <reason>`.
    pub async fn run<T: Display, E: Display>(&mut self, what: &str, attempt: impl Future<Output = Result<T, E>>) {
        let line = match tokio::time::timeout(LIMIT, attempt).await {
            Ok(Ok(detail)) => format!("ok {what} {detail}"),
            Ok(Err(reason)) => self.failure(what, &reason.to_string()),
            Err(_) => self.failure(what, &format!("no answer within {} s", LIMIT.as_secs())),
        };
        // A reader that has gone away has seen enough.
        let _ = writeln!(self.output, "{}", line.replace('\n', " "));
    }

    fn failure(&mut self, what: &str, reason: &str) -> String {
        self.failed = true;
        format!("FAILED {what} {reason}")
    }

    /// 0 where everything answered as it should, else 1.
    pub fn exit(&self) -> Exit {
        if self.failed { Exit::Failed } else { Exit::Done }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_failure_or_one_missing_answer_fails_the_check() {
        let mut checks = Checks::new(Vec::new());
        checks.run("kafka", async { Ok::<_, String>("3 topics") }).await;
        assert_eq!(checks.exit(), Exit::Done);
        checks.run("api", async { Err::<String, _>("403;\nuse another network") }).await;
        assert_eq!(checks.exit(), Exit::Failed);
        checks.run("cassandra", std::future::pending::<Result<String, String>>()).await;
        let expected =
            "ok kafka 3 topics\nFAILED api 403; use another network\nFAILED cassandra no answer within 30 s\n";
        assert_eq!(String::from_utf8(checks.output).expect("UTF-8"), expected);
        let mut checks = Checks::new(Vec::new());
        checks.run("cassandra", std::future::pending::<Result<String, String>>()).await;
        assert_eq!(checks.exit(), Exit::Failed);
    }
}
