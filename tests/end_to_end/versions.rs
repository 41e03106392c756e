//! The newest version of a key wins, whatever the order and however often it comes (I3).

use end_to_end::{World, user_record};
use service::Exit;
use uuid::Uuid;

const DAY: i64 = 1_790_000_000_000_000;

#[tokio::test]
async fn a_repeat_and_an_older_version_leave_the_newer_row() {
    let world = World::new("versions").await;
    let id = Uuid::new_v4();
    let version = |micros: i64, city: &str| {
        let city = city.to_owned();
        user_record(&world, id, micros, move |value, _| value["city"] = city.into())
    };
    world.publish(vec![version(DAY + 2, "newer"), version(DAY + 2, "newer"), version(DAY, "older")]).await;
    let processor = world.processor();
    assert_eq!(world.wait_until_consumed().await, 3);
    let rows = world.rows().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[&id.to_string()]["city"].as_deref(), Some("newer"));
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_field_that_the_newer_version_lacks_does_not_show_the_older_value() {
    let world = World::new("absent").await;
    let id = Uuid::new_v4();
    let with_cell = user_record(&world, id, DAY, |value, _| value["cell"] = "081-807-8083".into());
    let without = user_record(&world, id, DAY + 1, |_, _| {});
    world.publish(vec![without, with_cell]).await;
    let processor = world.processor();
    world.wait_until_consumed().await;
    assert_eq!(world.rows().await[&id.to_string()]["cell"], None);
    assert_eq!(processor.stop().await, Exit::Done);
}
