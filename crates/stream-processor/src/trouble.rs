//! One thing that some workers of a shard wait for, named in `/readyz` for as long as one of them does.

use std::cell::{Cell, RefCell};

use service::health::Health;

/// See the module's page.
#[derive(Debug)]
pub struct Trouble {
    what: String,
    health: Health,
    waiting: Cell<usize>,
    reason: RefCell<Option<String>>,
}

/// One that waits; dropped when it waits no more.
#[derive(Debug)]
pub struct Waiting<'a>(&'a Trouble);

impl Trouble {
    /// Nobody waits for `what`.
    pub fn new(what: String, health: Health) -> Self {
        Self { what, health, waiting: Cell::new(0), reason: RefCell::new(None) }
    }

    /// Somebody waits from now on.
    pub fn wait(&self) -> Waiting<'_> {
        self.waiting.update(|waiting| waiting + 1);
        Waiting(self)
    }

    /// Why somebody waits; none when nobody does.
    pub fn reason(&self) -> Option<String> {
        self.reason.borrow().clone()
    }
}

impl Waiting<'_> {
    /// Says why. True when that is news: the caller logs once, not at every try.
    pub fn because(&self, reason: impl Into<String>, remedy: &str) -> bool {
        let reason = reason.into();
        *self.0.reason.borrow_mut() = Some(reason.clone());
        self.0.health.not_ready(&self.0.what, reason, remedy)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.update(|waiting| waiting - 1);
        if self.0.waiting.get() == 0 {
            *self.0.reason.borrow_mut() = None;
            self.0.health.ready(&self.0.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_named_until_the_last_one_waits_no_more() {
        let health = Health::new();
        let trouble = Trouble::new("dead letters".to_owned(), health.clone());
        let (one, other) = (trouble.wait(), trouble.wait());
        assert!(health.snapshot().ready, "nobody said why");
        assert!(one.because("no topic", "create it"));
        assert!(!other.because("no topic", "create it"), "the same again is no news");
        drop(one);
        assert!(!health.snapshot().ready);
        assert_eq!(trouble.reason().as_deref(), Some("no topic"));
        drop(other);
        assert!(health.snapshot().ready);
        assert_eq!(trouble.reason(), None);
    }
}
