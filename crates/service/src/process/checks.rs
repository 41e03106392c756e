//! The report of `--check`.

use std::fmt::Display;
use std::time::Duration;

use crate::exit::Exit;

/// How long one dependency has to answer.
const LIMIT: Duration = Duration::from_secs(30);

/// One line on standard output for each dependency, as soon as its answer is known.
#[derive(Debug, Default)]
pub struct Checks {
    failed: bool,
}

impl Checks {
    /// Tries `what` and prints `ok <what> <detail>` or `FAILED <what> <reason>`.
    pub async fn run<T: Display, E: Display>(&mut self, what: &str, attempt: impl Future<Output = Result<T, E>>) {
        match tokio::time::timeout(LIMIT, attempt).await {
            Ok(Ok(detail)) => super::answer(&format_args!("ok {what} {detail}\n")),
            Ok(Err(reason)) => {
                super::answer(&format_args!("FAILED {what} {}\n", reason.to_string().replace('\n', " ")));
                self.failed = true;
            }
            Err(_) => {
                super::answer(&format_args!("FAILED {what} no answer within {} s\n", LIMIT.as_secs()));
                self.failed = true;
            }
        }
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
        let mut checks = Checks::default();
        checks.run("kafka", async { Ok::<_, String>("3 topics") }).await;
        assert_eq!(checks.exit(), Exit::Done);
        checks.run("api", async { Err::<String, _>("403") }).await;
        assert_eq!(checks.exit(), Exit::Failed);
        let mut checks = Checks::default();
        checks.run("cassandra", std::future::pending::<Result<String, String>>()).await;
        assert_eq!(checks.exit(), Exit::Failed);
    }
}
