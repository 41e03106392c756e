//! The benchmark itself, small: what it says of a run is so, and a contender that does not do its work is told.

use std::path::{Path, PathBuf};

use bench::{Contender, Document, End, Found, Ground, Machine, Plan, Recipe, ReplayPrograms, Results, Revision, Run};
use end_to_end::{artifacts, data_folder, program};
use local_stack::Profile;
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

const RECORDS: u64 = 2_000;

async fn ground(folder: &Path) -> Ground {
    let cql = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cql");
    Ground::start_as(Profile::Test, folder, &cql, artifacts()).await.expect("the servers")
}

fn results<T>(found: T) -> Results<T> {
    Results {
        command: "drain",
        is_complete: false,
        began: chrono::Utc::now(),
        machine: Machine::here(artifacts()),
        revision: Revision::of(Path::new(env!("CARGO_MANIFEST_DIR"))),
        settings: json!({}),
        found,
    }
}

fn plan(name: &str, program: PathBuf, recipe: Recipe, processes: u32) -> Plan {
    let contender = Contender::ours(name, &program, &[]);
    Plan { name: name.to_owned(), contender, recipe, records: RECORDS, partitions: 3, processes }
}

#[tokio::test]
async fn a_benchmark_shows_every_row_and_a_contender_that_brings_none() {
    let folder = data_folder("benchmark");
    let ground = ground(&folder).await;
    let recipe = Recipe { hot: true, poison_percent: 10, ..Recipe::default() };
    let processor = program("stream-processor");
    let plans = vec![
        plan("two processes", processor.clone(), recipe, 2),
        plan("full", processor.clone(), Recipe { document: Document::Full, ..Recipe::default() }, 1),
        plan("nobody", "/bin/true".into(), recipe, 1),
    ];
    let (voice, _heard) = unbounded_channel();
    let cases = ground.prepare(plans, &voice).await.expect("topics");
    let (found, path): (Found, PathBuf) =
        ground.hold(cases, 1, results, &folder.join("results"), &voice).await.expect("a contest");
    let (warm_ups, measured): (Vec<&Run>, Vec<&Run>) = found.runs.iter().partition(|run| run.is_warm_up);
    for (name, often, passes) in [("two processes", 1..=5, true), ("full", 1..=5, true), ("nobody", 1..=1, false)] {
        let of_one: Vec<_> = warm_ups.iter().filter(|run| run.contender == name).collect();
        assert!(
            often.contains(&of_one.len()),
            "until the servers are warm or one fails, up to five times: {of_one:#?}"
        );
        let Some((last, before)) = of_one.split_last() else { panic!("no warm-up of {name}") };
        let is_enough = last.compiling_percent <= 3.0 || of_one.len() == 5 || !passes;
        assert!(
            is_enough && before.iter().all(|run| run.compiling_percent > 3.0),
            "no more than it takes: {of_one:#?}"
        );
        assert!(of_one.iter().all(|run| run.passed == passes), "{of_one:#?}");
    }
    assert!(warm_ups[0].compiling_percent > 0.0, "servers that have just started compile: {:#?}", warm_ups[0]);
    let &[two, full, nobody] = measured.as_slice() else { panic!("{measured:#?}") };
    // Of the 2 000 records 200 are poison; 20 have hot keys, each of them another one.
    for (run, rows) in [(two, 1_800), (full, 2_000)] {
        let Run { census, end, .. } = run;
        assert_eq!((census.rows, census.missing, census.unexpected, end), (rows, 0, 0, &End::Done), "{run:#?}");
        assert_eq!((run.duplicates, run.exit.contains("exit status: 0"), run.passed), (0, true, true), "{run:#?}");
        assert!(census.differing_columns.is_empty(), "{run:#?}");
        assert!(run.committed_seconds >= run.rows_seconds && run.first_row_seconds > Some(0.0), "{run:#?}");
        assert!(run.cpu_us_per_record.contender > 0.0 && run.peak_resident_mib > 1.0, "{run:#?}");
    }
    assert_eq!(warm_ups[0].census.values_checksum, two.census.values_checksum, "the same rows of the same records");
    assert!(!nobody.passed && matches!(nobody.end, End::Ended(_)), "{nobody:#?}");
    assert_eq!((nobody.census.rows, nobody.census.missing), (0, 1_800));
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&path).expect("results")).expect("JSON");
    assert_eq!(written["is_complete"], json!(true), "every run was made");
    assert_eq!(written["comparison"][0]["figures"]["duplicates"]["median"], 0.0, "{written:#}");
    let of_nobody = &written["runs"][found.runs.len() - 1]["passed"];
    assert_eq!((&written["comparison"][2]["failed"], of_nobody), (&json!(1), &json!(false)));

    let programs = ReplayPrograms { replayer: program("dlq-replayer"), processor };
    let replayed = ground.replay(&programs, 300, 1, results, &folder.join("results"), &voice).await.expect("replays");
    for run in &replayed.0.runs {
        assert!(run.passed && run.census.rows == 300, "{run:#?}");
    }
    ground.stop().await.expect("an end in order");
}
