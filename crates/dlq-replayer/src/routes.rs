//! Where records may be replayed to.

use std::sync::Arc;

use crate::letter::Letter;
use crate::redrive::Refusal;

/// The users' topic, the others that are allowed, and what was asked for.
#[derive(Debug, Clone)]
pub struct Routes {
    users: Arc<str>,
    allowed: Vec<Arc<str>>,
    /// Allowed, and not there.
    missing: Vec<Arc<str>>,
    only: Option<Arc<str>>,
}

/// A topic that nothing may be replayed to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing is replayed to {topic}; REPLAY_ALLOWED_TOPICS allows {allowed}")]
pub struct NotAllowed {
    topic: String,
    allowed: String,
}

impl Routes {
    /// Each record goes to the topic it came from, where that is `users` or `allowed`.
    pub fn new(users: &str, allowed: &[String]) -> Self {
        let allowed = allowed.iter().map(|topic| topic.as_str().into()).collect();
        Self { users: users.into(), allowed, missing: Vec::new(), only: None }
    }

    /// Every record goes to `topic`, wherever it came from.
    ///
    /// # Errors
    ///
    /// The topic is not allowed.
    pub fn to(self, topic: &str) -> Result<Self, NotAllowed> {
        let found = self.topics().find(|known| &***known == topic).cloned();
        match found {
            Some(only) => Ok(Self { only: Some(only), ..self }),
            None => {
                let allowed = self.topics().map(|known| &**known).collect::<Vec<_>>().join(", ");
                Err(NotAllowed { topic: topic.to_owned(), allowed })
            }
        }
    }

    /// The users' topic and the others that are allowed.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &Arc<str>> {
        std::iter::once(&self.users).chain(&self.allowed)
    }

    /// The allowed topics beside the users'.
    pub fn allowed(&self) -> &[Arc<str>] {
        &self.allowed
    }

    /// These of the allowed topics do not exist: sending there would fail for everything that is sent along.
    pub fn without(self, missing: Vec<Arc<str>>) -> Self {
        Self { missing, ..self }
    }

    /// The topic that the letter's record goes to.
    ///
    /// # Errors
    ///
    /// Its record was on a topic that is not allowed or not there any more, or nobody knows on which.
    pub fn of(&self, letter: &Letter) -> Result<Arc<str>, Refusal> {
        let source = letter.source.topic.as_deref();
        match (&self.only, source) {
            (Some(only), _) => Ok(Arc::clone(only)),
            (None, None) => Err(Refusal::NoTopic),
            (None, Some(source)) if source == &*self.users => Ok(Arc::clone(&self.users)),
            (None, Some(source)) => {
                if self.missing.iter().any(|missing| **missing == *source) {
                    return Err(Refusal::MissingTopic(source.to_owned()));
                }
                let allowed = self.allowed.iter().find(|allowed| &***allowed == source);
                allowed.cloned().ok_or_else(|| Refusal::OtherTopic(source.to_owned()))
            }
        }
    }

    /// Whether this is the topic that the processor reads: only there can be seen what becomes of a record.
    pub fn is_followed(&self, topic: &str) -> bool {
        *self.users == *topic
    }

    /// What was asked for, for people.
    pub fn shown(&self) -> &str {
        match (&self.only, self.allowed.is_empty()) {
            (Some(only), _) => only,
            (None, true) => &self.users,
            (None, false) => "the topics they came from",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::letter::Source;

    fn from(topic: Option<&str>) -> Letter {
        let source = Source { topic: topic.map(str::to_owned), ..Source::default() };
        Letter { source, ..fixture::read_letter(0, 1, 1) }
    }

    #[test]
    fn a_record_goes_back_to_where_it_came_from_where_that_is_allowed() {
        let routes = Routes::new("user_data", &["orders".to_owned()]);
        let goes = |topic| routes.of(&from(topic)).map(|topic| topic.to_string());
        assert_eq!(goes(Some("user_data")).as_deref(), Ok("user_data"));
        assert_eq!(goes(Some("orders")).as_deref(), Ok("orders"));
        assert_eq!(goes(Some("payments")), Err(Refusal::OtherTopic("payments".to_owned())));
        assert_eq!(goes(None), Err(Refusal::NoTopic));
        let routes = routes.clone().without(routes.allowed().to_vec());
        assert_eq!(routes.of(&from(Some("orders"))), Err(Refusal::MissingTopic("orders".to_owned())));
    }

    #[test]
    fn only_an_allowed_topic_can_be_asked_for() {
        let routes = Routes::new("user_data", &["orders".to_owned()]);
        let orders = routes.clone().to("orders").expect("allowed");
        assert_eq!(orders.of(&from(Some("payments"))).as_deref(), Ok("orders"));
        assert!(!orders.is_followed("orders") && orders.is_followed("user_data"));
        assert_eq!(routes.clone().to("user_data").expect("allowed").shown(), "user_data");
        let error = routes.to("payments").expect_err("not allowed").to_string();
        assert!(error.contains("payments") && error.contains("user_data, orders"), "{error}");
    }
}
