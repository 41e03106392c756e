//! Every input that was ever worth keeping, decoded again.
#![expect(clippy::expect_used, reason = "a failure is told by a panic, in the helpers of a test too")]

use std::collections::BTreeSet;
use std::fs::{read, read_dir};
use std::path::{Path, PathBuf};

use fuzz::TARGETS;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> =
        read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    entries
}

#[test]
fn every_input_of_the_corpus_keeps_every_promise() {
    for target in TARGETS {
        let inputs = entries(&corpus().join(target.name));
        assert!(!inputs.is_empty(), "{} has no inputs", target.name);
        for path in inputs {
            // What a panic says is the promise; which input broke it is the last line before.
            println!("{}", path.display());
            target.take(&read(&path).expect("an input"));
        }
    }
}

#[test]
fn the_corpus_has_a_folder_for_each_target_and_stays_small() {
    let folders: BTreeSet<_> = entries(&corpus()).into_iter().collect();
    assert_eq!(folders, TARGETS.iter().map(|target| corpus().join(target.name)).collect());
    let sizes: Vec<_> =
        folders.iter().flat_map(|folder| entries(folder)).map(|path| read(path).expect("an input").len()).collect();
    let (inputs, bytes) = (sizes.len(), sizes.iter().sum::<usize>());
    assert!(
        inputs < 300 && bytes < 300 << 10,
        "{inputs} inputs of {bytes} bytes: keep fewer, see `cargo xtask fuzz --help`"
    );
}
