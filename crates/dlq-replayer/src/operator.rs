//! The person at the other end: who it is, and whether it agrees.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use service::shutdown::Shutdown;

/// Whether the person has agreed already or is still to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// `--yes`.
    Given,
    /// There is a terminal to ask on.
    ToBeAsked,
}

/// There is nobody to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this changes something, and there is no terminal to ask on: add --yes")]
pub struct NobodyToAsk;

impl Consent {
    /// What `--yes` and standard input say.
    pub(crate) fn of(yes: bool) -> Result<Self, NobodyToAsk> {
        Self::decide(yes, io::stdin().is_terminal())
    }

    fn decide(yes: bool, terminal: bool) -> Result<Self, NobodyToAsk> {
        match (yes, terminal) {
            (true, _) => Ok(Self::Given),
            (false, true) => Ok(Self::ToBeAsked),
            (false, false) => Err(NobodyToAsk),
        }
    }

    /// Asks, where that is still to be done. A wish to end is a no.
    pub(crate) async fn obtain(self, question: &str, shutdown: &Shutdown) -> io::Result<bool> {
        if self == Self::Given {
            return Ok(true);
        }
        let mut terminal = io::stderr();
        write!(terminal, "{question} [y/N] ")?;
        terminal.flush()?;
        let answer = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line).map(|_| line)
        });
        match shutdown.cuts(answer).await {
            Some(answer) => Ok(agrees(&answer.map_err(io::Error::other)??)),
            None => Ok(false),
        }
    }
}

fn agrees(line: &str) -> bool {
    matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

/// `name@machine`, as far as the machine knows; a number for a user without a name.
pub(crate) fn who() -> String {
    let uid = rustix::process::getuid().as_raw();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = name_of(&passwd, uid).map_or_else(|| format!("uid {uid}"), str::to_owned);
    format!("{name}@{}", rustix::system::uname().nodename().to_string_lossy())
}

fn name_of(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_only_yes_will_do() {
        assert_eq!(Consent::decide(true, false), Ok(Consent::Given));
        assert_eq!(Consent::decide(true, true), Ok(Consent::Given));
        assert_eq!(Consent::decide(false, true), Ok(Consent::ToBeAsked));
        assert_eq!(Consent::decide(false, false), Err(NobodyToAsk));
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        for (line, yes) in
            [("y\n", true), ("YES\r\n", true), ("\n", false), ("", false), ("no\n", false), ("yep\n", false)]
        {
            assert_eq!(agrees(line), yes, "{line:?}");
        }
    }

    #[test]
    fn a_user_is_known_by_name_where_the_machine_has_one() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nanna:x:1000:1000::/home/anna:/bin/sh\n";
        assert_eq!(name_of(passwd, 1000), Some("anna"));
        assert_eq!(name_of(passwd, 0), Some("root"));
        assert_eq!(name_of(passwd, 7), None);
        assert!(who().contains('@'));
    }
}
