//! The limit in users: never more than so many to one client in any window.
//!
//! Every grant is remembered until it is a whole window old, so there is no moment at which a fresh allowance begins and twice the
//! limit could pass around it.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How many users in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Users; 0 means no limit.
    pub users: u32,
    /// Length of the window.
    pub window: Duration,
}

/// The grants of the last window, by client.
#[derive(Debug)]
pub(crate) struct Grants {
    limit: Limit,
    clients: HashMap<IpAddr, Client>,
}

#[derive(Debug, Default)]
struct Client {
    grants: VecDeque<(Instant, u32)>,
    users: u64,
}

impl Client {
    fn forget(&mut self, window: Duration, now: Instant) {
        while let Some((at, users)) = self.grants.front() {
            if now.duration_since(*at) < window {
                break;
            }
            self.users -= u64::from(*users);
            self.grants.pop_front();
        }
    }
}

impl Grants {
    /// None so far.
    pub(crate) fn new(limit: Limit) -> Self {
        Self { limit, clients: HashMap::new() }
    }

    /// True when the client may have so many more users now.
    pub(crate) fn has_room(&mut self, client: IpAddr, users: u32, now: Instant) -> bool {
        let Limit { users: most, window } = self.limit;
        if most == 0 {
            return true;
        }
        let granted = self.clients.get_mut(&client).map_or(0, |client| {
            client.forget(window, now);
            client.users
        });
        granted + u64::from(users) <= u64::from(most)
    }

    /// The client was given so many users.
    pub(crate) fn grant(&mut self, client: IpAddr, users: u32, now: Instant) {
        if self.limit.users == 0 {
            return;
        }
        if !self.clients.contains_key(&client) {
            let window = self.limit.window;
            self.clients.retain(|_, client| {
                client.forget(window, now);
                !client.grants.is_empty()
            });
        }
        let client = self.clients.entry(client).or_default();
        client.grants.push_back((now, users));
        client.users += u64::from(users);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Sequence;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1));
    const TWO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

    fn grants(users: u32, seconds: u64) -> Grants {
        Grants::new(Limit { users, window: Duration::from_secs(seconds) })
    }

    fn try_grant(grants: &mut Grants, client: IpAddr, users: u32, now: Instant) -> bool {
        let room = grants.has_room(client, users, now);
        if room {
            grants.grant(client, users, now);
        }
        room
    }

    #[test]
    fn no_window_whatever_its_start_holds_more_than_the_limit() {
        let mut grants = grants(1_000, 60);
        let start = Instant::now();
        let mut sequence = Sequence::starting_at(1);
        let mut given: Vec<(u64, u32)> = Vec::new();
        let mut refused = 0;
        let mut ms = 0;
        for _ in 0..5_000 {
            ms += sequence.below(2_000);
            let users = 1 + sequence.below(120) as u32;
            if try_grant(&mut grants, ONE, users, start + Duration::from_millis(ms)) {
                given.push((ms, users));
            } else {
                refused += 1;
            }
        }
        assert!(refused > 100 && given.len() > 100, "{refused} refused, {} given", given.len());
        for (place, (from, _)) in given.iter().enumerate() {
            let window: u32 =
                given[place..].iter().take_while(|(at, _)| at - from < 60_000).map(|(_, users)| users).sum();
            assert!(window <= 1_000, "{window} users in the window from {from} ms");
        }
    }

    #[test]
    fn room_comes_back_when_a_grant_is_a_window_old() {
        let mut grants = grants(100, 300);
        let start = Instant::now();
        assert!(try_grant(&mut grants, ONE, 100, start));
        assert!(!try_grant(&mut grants, ONE, 1, start + Duration::from_millis(299_999)));
        assert!(try_grant(&mut grants, ONE, 100, start + Duration::from_secs(300)));
    }

    #[test]
    fn clients_do_not_share_and_the_idle_are_forgotten() {
        let mut grants = grants(100, 300);
        let start = Instant::now();
        assert!(try_grant(&mut grants, ONE, 100, start));
        assert!(try_grant(&mut grants, TWO, 100, start + Duration::from_secs(301)));
        assert_eq!(grants.clients.len(), 1);
    }

    #[test]
    fn zero_is_no_limit_and_remembers_nothing() {
        let mut grants = grants(0, 300);
        for _ in 0..10 {
            assert!(try_grant(&mut grants, ONE, 5_000, Instant::now()));
        }
        assert!(grants.clients.is_empty());
    }
}
