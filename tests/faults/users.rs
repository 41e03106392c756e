//! What a producer has published, against what it was to publish.

use end_to_end::{World, ids};

/// The ids of all users on `user_data`, sorted.
pub(crate) async fn on_topic(world: &World) -> Vec<String> {
    let records = world.user_data().await;
    let id = |key: Option<Vec<u8>>| String::from_utf8(key.expect("a key")).expect("an id");
    let mut users: Vec<String> = records.into_iter().map(|record| id(record.key)).collect();
    users.sort();
    users
}

/// The ids of the users of as many whole pages, from the first one on, as `count` users fill; sorted.
pub(crate) fn of_pages(seed: &str, count: usize, size: u32) -> Vec<String> {
    let pages = u32::try_from(count).expect("a number of users").div_ceil(size);
    let mut users = ids(seed, 1..=pages, size);
    users.sort();
    users
}
