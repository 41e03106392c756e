//! Who a visitor is: log-ins, form tokens, and the brake on guessing.
//!
//! A cookie names a session; only sessions of somebody who logged in are kept, in memory. A form token is a function of the
//! session and of a key of this process: what another site makes a browser send lacks it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// How long a log-in lasts without a request.
const IDLE: Duration = Duration::from_secs(8 * 3600);
/// Log-ins that are kept; one more ends the one that was idle longest.
const SESSIONS: usize = 1000;
/// Wrong tokens of one address before it has to wait.
const FREE_GUESSES: u32 = 5;
/// The wait after the first wrong token too many; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait, after which an address is also forgotten.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Addresses that are remembered for wrong tokens.
const GUESSERS: usize = 1000;
/// Characters of a name, at most.
const LONGEST_NAME: usize = 100;

/// The name of a session, as the cookie has it: 122 random bits of the operating system.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SessionId(Uuid);

impl SessionId {
    pub(super) fn new() -> Self {
        Self(Uuid::new_v4())
    }

    /// What a cookie says, where it can be one of ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let id = Uuid::try_parse(text).ok()?;
        (text.len() == 32).then_some(Self(id))
    }

    pub(super) fn cookie(&self) -> String {
        self.0.simple().to_string()
    }
}

#[derive(Debug)]
struct Session {
    /// The name given at log-in, if one was.
    name: Option<String>,
    used: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Guesser {
    wrong: u32,
    last: Instant,
}

impl Guesser {
    fn waits_until(self) -> Instant {
        match self.wrong.checked_sub(FREE_GUESSES) {
            None => self.last,
            Some(more) => self.last + FIRST_WAIT.saturating_mul(1 << more.min(8)).min(LONGEST_WAIT),
        }
    }
}

/// See the module's page.
#[derive(Debug)]
pub(super) struct Sessions {
    key: [u8; 32],
    open: HashMap<SessionId, Session>,
    guessers: HashMap<IpAddr, Guesser>,
}

impl Sessions {
    /// No session yet, and a key that nobody knows.
    pub(super) fn new() -> Self {
        let halves = [Uuid::new_v4(), Uuid::new_v4()];
        let mut key = Sha256::new();
        for half in halves {
            key.update(half.as_bytes());
        }
        Self { key: key.finalize().into(), open: HashMap::new(), guessers: HashMap::new() }
    }

    /// Begins a session of somebody who may.
    pub(super) fn begin(&mut self, name: Option<String>, now: Instant) -> SessionId {
        self.open.retain(|_, session| now.duration_since(session.used) < IDLE);
        if self.open.len() >= SESSIONS {
            let idlest = self.open.iter().min_by_key(|(_, session)| session.used).map(|(id, _)| id.clone());
            idlest.and_then(|id| self.open.remove(&id));
        }
        let id = SessionId::new();
        self.open.insert(id.clone(), Session { name, used: now });
        id
    }

    /// Whether the session is open; the name that was given for it. Using it keeps it open.
    pub(super) fn used(&mut self, id: &SessionId, now: Instant) -> Option<Option<String>> {
        let session = self.open.get_mut(id)?;
        if now.duration_since(session.used) >= IDLE {
            self.open.remove(id);
            return None;
        }
        session.used = now;
        Some(session.name.clone())
    }

    pub(super) fn end(&mut self, id: &SessionId) {
        self.open.remove(id);
    }

    /// What a form of this session carries.
    pub(super) fn form_token(&self, id: &SessionId) -> String {
        let digest = Sha256::new().chain_update(self.key).chain_update(id.0.as_bytes()).finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn is_form_token(&self, id: &SessionId, given: &str) -> bool {
        self.form_token(id).as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// How long this address has to wait before it may try a token again.
    pub(super) fn wait(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let until = self.guessers.get(&from)?.waits_until();
        until.checked_duration_since(now).filter(|wait| !wait.is_zero())
    }

    /// Takes note of a wrong token.
    pub(super) fn guessed_wrong(&mut self, from: IpAddr, now: Instant) {
        self.guessers.retain(|_, guesser| now.duration_since(guesser.last) < LONGEST_WAIT);
        if self.guessers.len() >= GUESSERS && !self.guessers.contains_key(&from) {
            let oldest = self.guessers.iter().min_by_key(|(_, guesser)| guesser.last).map(|(from, _)| *from);
            oldest.and_then(|from| self.guessers.remove(&from));
        }
        let guesser = self.guessers.entry(from).or_insert(Guesser { wrong: 0, last: now });
        *guesser = Guesser { wrong: guesser.wrong.saturating_add(1), last: now };
    }

    /// A right token: whatever was wrong before is forgotten.
    pub(super) fn guessed_right(&mut self, from: IpAddr) {
        self.guessers.remove(&from);
    }
}

/// A name as the ledger can hold it; none where nothing is left of it.
pub(super) fn name_of(text: &str) -> Option<String> {
    let name: String = text.chars().filter(|character| !character.is_control()).take(LONGEST_NAME).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_session_lasts_as_long_as_it_is_used() {
        let (mut sessions, start) = (Sessions::new(), Instant::now());
        let id = sessions.begin(Some("anna".to_owned()), start);
        let later = start + IDLE - Duration::from_secs(1);
        assert_eq!(sessions.used(&id, later), Some(Some("anna".to_owned())));
        assert_eq!(sessions.used(&id, later + IDLE - Duration::from_secs(1)), Some(Some("anna".to_owned())));
        assert_eq!(sessions.used(&id, later + IDLE * 2), None);
        let id = sessions.begin(None, start);
        assert_eq!(sessions.used(&id, start), Some(None));
        sessions.end(&id);
        assert_eq!(sessions.used(&id, start), None);
        assert_eq!(sessions.used(&SessionId::new(), start), None);
    }

    #[test]
    fn sessions_are_bounded_and_the_idlest_goes_first() {
        let (mut sessions, start) = (Sessions::new(), Instant::now());
        let first = sessions.begin(None, start);
        let second = sessions.begin(None, start + Duration::from_secs(1));
        for _ in 2..=SESSIONS {
            sessions.begin(None, start + Duration::from_secs(2));
        }
        assert_eq!(sessions.open.len(), SESSIONS);
        assert_eq!(sessions.used(&first, start), None);
        assert_eq!(sessions.used(&second, start + Duration::from_secs(2)), Some(None));
    }

    #[test]
    fn a_cookie_names_a_session_and_nothing_else_does() {
        let id = SessionId::new();
        assert_eq!(SessionId::parse(&id.cookie()), Some(id.clone()));
        for other in ["", "x", &id.0.hyphenated().to_string(), &format!("{}0", id.cookie())] {
            assert_eq!(SessionId::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_form_token_belongs_to_one_session_of_one_process() {
        let sessions = Sessions::new();
        let (id, other) = (SessionId::new(), SessionId::new());
        let token = sessions.form_token(&id);
        assert!(sessions.is_form_token(&id, &token));
        assert!(!sessions.is_form_token(&other, &token));
        assert!(!sessions.is_form_token(&id, ""));
        assert!(!Sessions::new().is_form_token(&id, &token));
    }

    #[test]
    fn who_guesses_has_to_wait_longer_and_longer_and_others_do_not() {
        let (mut sessions, start) = (Sessions::new(), Instant::now());
        for _ in 0..FREE_GUESSES - 1 {
            sessions.guessed_wrong(FROM, start);
            assert_eq!(sessions.wait(FROM, start), None);
        }
        let mut now = start;
        for wait in [5, 10, 20, 40, 80, 160, 300, 300] {
            sessions.guessed_wrong(FROM, now);
            assert_eq!(sessions.wait(FROM, now), Some(Duration::from_secs(wait)));
            assert_eq!(sessions.wait([10, 0, 0, 1].into(), now), None);
            now += Duration::from_secs(wait) - Duration::from_millis(1);
            assert!(sessions.wait(FROM, now).is_some());
        }
        sessions.guessed_right(FROM);
        assert_eq!(sessions.wait(FROM, now), None);
    }

    #[test]
    fn addresses_that_guess_are_bounded() {
        let (mut sessions, start) = (Sessions::new(), Instant::now());
        for number in 0..2 * GUESSERS {
            let number = u32::try_from(number).expect("small");
            sessions.guessed_wrong(IpAddr::V4(number.into()), start);
        }
        assert_eq!(sessions.guessers.len(), GUESSERS);
    }

    #[test]
    fn a_name_is_a_line_of_bounded_length() {
        assert_eq!(name_of("  Anna\r\nL. "), Some("AnnaL.".to_owned()));
        assert_eq!(name_of(" \n"), None);
        assert_eq!(name_of(&"x".repeat(1000)).map(|name| name.len()), Some(LONGEST_NAME));
    }
}
