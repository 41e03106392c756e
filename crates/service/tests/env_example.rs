//! `.env.example` is the catalogue, written out: complete, in order, and harmless to copy.

#![expect(clippy::expect_used, reason = "a failure is told by a panic, in the helpers of a test too")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use service::settings::Reader;
use service::settings::catalogue::{VARIABLES, Variable};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn commented(text: &str, first: &str, rest: &str) -> String {
    let mut lines = vec![first.to_owned()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("one line at least");
        if line.len() + word.len() >= 118 {
            lines.push(format!("{rest}{word}"));
        } else {
            if !line.ends_with(' ') {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.iter().fold(String::new(), |text, line| text + line + "\n")
}

fn rendered() -> String {
    let mut text = commented(
        "Every setting of every service with its default. Copying this file to .env changes nothing: every line is commented \
         out. The environment goes before the file that SLUICE_CONFIG names, the file before these defaults; an empty value \
         counts as unset. Where a secret is marked so, NAME_FILE may name a file that holds it.",
        "#",
        "# ",
    );
    let mut section = None;
    for Variable { name, default, unit, about, coupled_to, secret, section: of } in VARIABLES {
        if section != Some(of) {
            section = Some(of);
            write!(text, "\n# ---- {} ----\n", of.title()).expect("text");
        }
        text.push('\n');
        text.push_str(&commented(about, "#", "# "));
        text.push_str(&commented(&format!("Accepted: {unit}."), "#", "#   "));
        if !coupled_to.is_empty() {
            text.push_str(&commented(&format!("Goes with: {coupled_to}."), "#", "#   "));
        }
        if *secret {
            writeln!(text, "# Secret; or {name}_FILE.").expect("text");
        }
        writeln!(text, "#{name}={default}").expect("text");
    }
    text
}

#[test]
fn it_lists_every_variable_with_default_unit_and_couplings() {
    let expected = rendered();
    let found = std::fs::read_to_string(root().join(".env.example")).unwrap_or_default();
    if found != expected {
        let wanted = Path::new(env!("CARGO_TARGET_TMPDIR")).join("env.example");
        std::fs::write(&wanted, &expected).expect("the expected text is written");
        let differing = expected.lines().zip(found.lines()).find(|(expected, found)| expected != found);
        panic!(
            ".env.example is not the catalogue (first difference {differing:?}); cp {} .env.example",
            wanted.display()
        );
    }
}

#[test]
fn uncommenting_all_of_it_changes_nothing() {
    let text = std::fs::read_to_string(root().join(".env.example")).expect(".env.example");
    let pairs: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once('='))
        .filter(|(name, _)| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        .collect();
    assert_eq!(pairs.len(), VARIABLES.len());
    let mut copied = Reader::from_pairs(pairs);
    let mut bare = Reader::from_pairs([("", "")]);
    for variable in VARIABLES {
        assert_eq!(copied.optional(variable.name), bare.optional(variable.name), "{}", variable.name);
    }
    assert_eq!(copied.finish(), bare.finish());
}
