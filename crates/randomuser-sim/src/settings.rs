//! The settings of the simulator.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use service::settings::Reader;

use crate::limit::Limit;

/// Where it listens and how much it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `SIM_ADDR`
    pub address: SocketAddr,
    /// `SIM_RATE_LIMIT_USERS`, `SIM_RATE_LIMIT_WINDOW_SECONDS`
    pub limit: Limit,
}

impl Settings {
    /// Reads the variables that start with `SIM_`.
    pub fn read(reader: &mut Reader) -> Self {
        let address =
            reader.parse("SIM_ADDR", "an IP address and a port, such as 127.0.0.1:8010", |text| text.parse().ok());
        Self {
            address: address.unwrap_or(ANY_PORT),
            limit: Limit {
                users: reader.number("SIM_RATE_LIMIT_USERS", 0..=u32::MAX),
                window: reader.seconds("SIM_RATE_LIMIT_WINDOW_SECONDS", 0.001..=86_400.0),
            },
        }
    }

    /// Any free port of the loopback interface and no limit: for tests.
    pub fn for_test() -> Self {
        Self { address: ANY_PORT, limit: Limit { users: 0, window: Duration::from_secs(300) } }
    }
}

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_api() {
        let mut reader = Reader::from_pairs(Vec::<(String, String)>::new());
        let settings = Settings::read(&mut reader);
        assert!(reader.finish().is_ok());
        assert_eq!(settings.address, "127.0.0.1:8010".parse().unwrap());
        assert_eq!(settings.limit, Limit { users: 20_000, window: Duration::from_secs(300) });
    }

    #[test]
    fn every_wrong_value_is_named() {
        let mut reader = Reader::from_pairs([
            ("SIM_ADDR", "nowhere"),
            ("SIM_RATE_LIMIT_USERS", "-1"),
            ("SIM_RATE_LIMIT_WINDOW_SECONDS", "0"),
        ]);
        Settings::read(&mut reader);
        let said = reader.finish().unwrap_err().to_string();
        for name in ["SIM_ADDR", "SIM_RATE_LIMIT_USERS", "SIM_RATE_LIMIT_WINDOW_SECONDS"] {
            assert!(said.contains(name), "{said}");
        }
    }
}
