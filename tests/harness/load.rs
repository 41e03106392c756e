//! Many users and some poison, known by key.

use std::collections::BTreeSet;

use schema::record::Headers;
use uuid::Uuid;

use crate::world::{World, user_record};

/// The version of every user of a load.
const VERSION: i64 = 1_790_000_000_000_000;
/// One record in so many is poison.
const POISON_EVERY: usize = 100;

/// What was published and where it has to end.
#[derive(Debug, Default)]
pub struct Load {
    /// Keys that become rows.
    pub written: BTreeSet<String>,
    /// Keys that become dead letters.
    pub dead: BTreeSet<String>,
}

impl Load {
    /// Publishes `count` records.
    pub async fn published(world: &World, count: usize) -> Self {
        let mut load = Self::default();
        load.publish(world, count).await;
        load
    }

    /// Publishes `count` more.
    pub async fn publish(&mut self, world: &World, count: usize) {
        let mut records = Vec::with_capacity(count);
        for _ in 0..count {
            let number = self.records();
            if number % POISON_EVERY == 7 {
                let key = format!("poison-{number}");
                records.push(world.record(Some(&key), Some(b"{"), Headers::new()));
                self.dead.insert(key);
            } else {
                let id = Uuid::new_v4();
                records.push(user_record(world, id, VERSION, |_, _| {}));
                self.written.insert(id.to_string());
            }
        }
        world.publish(records).await;
    }

    /// How many records that is; every key is published once.
    pub fn records(&self) -> usize {
        self.written.len() + self.dead.len()
    }
}
