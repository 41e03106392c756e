//! What is decided about transactions, without a cluster.

use kafka::ReadError;
use kafka::SendError::{Misconfigured, TooLarge};
use schema::api::parse_page;
use schema::dead_letter::App;

use super::*;
use crate::cursor::Place;
use crate::shelf::ShelfError;
use crate::shipment::Destination;

const DLQ: &str = "user_data_dlq";

/// Three users, under way.
fn under_way() -> (Shipment, Vec<Parcel>, Vec<NewRecord>) {
    let page = parse_page(include_bytes!("../../tests/data/page.json")).expect("a page");
    let app = App { name: "producer", version: "0" };
    let destination = Destination { topic: "user_data".into(), dlq_topic: DLQ.into(), app };
    let mut shipment = Shipment::new(page, &Place::first("abc"), Uuid::now_v7(), &mut VersionClock::new(), destination);
    let (parcels, records) = shipment.take_open().into_iter().unzip();
    (shipment, parcels, records)
}

#[test]
fn who_is_refused_becomes_a_dead_letter_and_the_others_are_sent_again_as_they_were() {
    let (mut shipment, parcels, before) = under_way();
    assert_eq!(blame(&mut shipment, parcels, &[(1, TooLarge)]), None);
    let after: Vec<_> = shipment.take_open().into_iter().map(|(_, record)| record).collect();
    assert_eq!([&after[0], &after[2]], [&before[0], &before[2]]);
    assert_eq!((&*after[1].topic, &after[1].key), (DLQ, &before[1].key));
}

#[test]
fn a_bookmark_that_is_refused_blames_no_user() {
    let (mut shipment, parcels, before) = under_way();
    let setback = blame(&mut shipment, parcels, &[(3, TooLarge)]);
    assert!(matches!(setback, Some(Misconfigured(reason)) if reason.contains("place in the API")));
    let after: Vec<_> = shipment.take_open().into_iter().map(|(_, record)| record).collect();
    assert_eq!(after, before);
}

#[test]
fn looks_that_find_transactions_open_come_to_an_end_and_others_do_not_count() {
    let undecided = || Err::<(), _>(ShelfError::Read(ReadError::Undecided("user_data_cursor".to_owned())));
    let silent = || Err::<(), _>(ShelfError::Read(ReadError::Stalled("user_data_cursor".to_owned())));
    let mut looks = 2;
    assert!(past_undecided(silent(), &mut looks).is_err());
    assert!(past_undecided(undecided(), &mut looks).is_err());
    assert!(past_undecided(silent(), &mut looks).is_err());
    assert!(matches!(past_undecided(Ok(()), &mut looks), Ok(Some(()))));
    assert!(matches!(past_undecided(undecided(), &mut looks), Ok(None)));
    assert_eq!(looks, 0);
}

fn bookmark(page: u32, owner: &str) -> Bookmark {
    let owner = Some(owner.to_owned());
    Bookmark { seed: "abc".to_owned(), page, version_us: 5, api_seed: None, owner }
}

#[test]
fn the_bookmark_tells_what_became_of_a_transaction() {
    let (held, next) = (bookmark(7, "me"), bookmark(8, "me"));
    let judged = |found: Option<Bookmark>| Outcome::of(found.as_ref(), &held, &next);
    assert_eq!(judged(Some(next.clone())), Outcome::Committed);
    assert_eq!(judged(Some(held.clone())), Outcome::Aborted);
    assert_eq!(judged(None), Outcome::Aborted);
    for other in [bookmark(7, "another"), bookmark(8, "another"), bookmark(9, "me")] {
        assert_eq!(judged(Some(other)), Outcome::Superseded);
    }
}
