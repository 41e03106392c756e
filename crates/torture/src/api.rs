//! The API of the run: the simulator in this process, with hostile users in every page, and what it has to give for a page.

use std::collections::BTreeMap;

use randomuser_sim::{Catalogue, Kind, Running, Settings, Share, hostile_kind};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::failure::TortureError;
use crate::ground::PAGE;

/// Spoiled users in every thousand, by kind, and whether the producer can publish such a user all the same.
const SPOILED: [(Kind, &str, u32, bool); 6] = [
    (Kind::MissingEmail, "missing_email", 15, false),
    (Kind::BadDob, "bad_dob", 10, false),
    (Kind::LongName, "long_name", 10, false),
    (Kind::UnknownGender, "unknown_gender", 20, true),
    (Kind::ControlCharacters, "control_characters", 10, true),
    (Kind::Huge, "huge", 1, false),
];

/// A user that the producer fetches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    /// `randomuser:<seed>/<page>/<index>`
    pub(crate) source: String,
    pub(crate) id: String,
    /// True when it can never be published.
    pub(crate) is_hostile: bool,
}

/// See the module's page.
pub(crate) struct Api {
    simulator: Running,
    http: reqwest::Client,
    share: Value,
}

impl Api {
    pub(crate) async fn start() -> Result<Self, TortureError> {
        let simulator = Running::start(Settings::for_test()).await?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let share = SPOILED
            .iter()
            .map(|(_, name, per_thousand, _)| ((*name).to_owned(), Value::from(f64::from(*per_thousand) / 1_000.0)));
        let api = Self { simulator, http, share: Value::Object(share.collect()) };
        api.order(json!([])).await?;
        Ok(api)
    }

    /// For `API_BASE_URL`.
    pub(crate) fn url(&self) -> String {
        self.simulator.url("/api/")
    }

    /// The next answers are wrong, each in another way.
    pub(crate) async fn trouble(&self, answers: u32, mut dice: Dice) -> Result<(), TortureError> {
        let kinds = ["status", "limit", "truncate", "disconnect", "empty", "html", "page"];
        let next = (0..answers).map(|_| match dice.pick(&kinds).unwrap_or("status") {
            "limit" => json!({"status": 429, "retry_after": 1}),
            "truncate" => json!({"truncate": true}),
            "disconnect" => json!({"disconnect": true}),
            "empty" => json!({"empty": true}),
            "html" => json!({"html": true}),
            "page" => json!({"page": 7}),
            _ => json!({"status": 503}),
        });
        self.order(next.collect()).await
    }

    async fn order(&self, next: Value) -> Result<(), TortureError> {
        let plan = json!({"next": next, "share": self.share});
        let request = self.http.put(self.simulator.url("/faults")).body(plan.to_string());
        request.send().await?.error_for_status()?;
        Ok(())
    }
}

/// Every user of the first pages of a seed.
pub(crate) fn expected(seed: &str, pages: u32) -> Result<Vec<Expected>, TortureError> {
    let parts: BTreeMap<Kind, f64> =
        SPOILED.iter().map(|(kind, _, per_thousand, _)| (*kind, f64::from(*per_thousand) / 1_000.0)).collect();
    let share = Share::try_from(parts).map_err(|error| TortureError::Unreadable(error.to_string()))?;
    let catalogue = Catalogue::new();
    let passes = |kind| SPOILED.iter().any(|(spoiled, _, _, passes)| *spoiled == kind && *passes);
    let user = |page, index| {
        let user = catalogue.user(seed, page, index);
        let id = user.pointer("/login/uuid").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_hostile = hostile_kind(seed, page, index, &share).is_some_and(|kind| !passes(kind));
        Expected { source: format!("randomuser:{seed}/{page}/{index}"), id, is_hostile }
    };
    Ok((1..=pages).flat_map(|page| (0..PAGE).map(move |index| (page, index))).map(|(p, i)| user(p, i)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_good_and_hostile_users_and_every_one_has_a_source_of_its_own() {
        let users = expected("torturex", 20).unwrap();
        assert_eq!(users.len(), 2_000);
        let hostile = users.iter().filter(|user| user.is_hostile).count();
        assert!((40..110).contains(&hostile), "{hostile}");
        let sources: std::collections::BTreeSet<_> = users.iter().map(|user| &user.source).collect();
        assert_eq!(sources.len(), users.len());
        assert!(users.iter().all(|user| uuid::Uuid::try_parse(&user.id).is_ok()));
    }
}
