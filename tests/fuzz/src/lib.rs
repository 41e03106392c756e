//! Every decoder of untrusted input under arbitrary bytes: each target takes an input, decodes it and holds the outcome
//! against what the contract promises of it.
//!
//! `cargo xtask fuzz` looks for inputs that break a promise, guided by coverage; `cargo test -p fuzz` takes every input of
//! `corpus/<target>/` again, so that what was found once stays mended.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a target tells a broken promise by panicking, which is what a fuzzer and a test wait for"
)]

mod allocation;
mod dead_letter;
mod envelope;
mod page;
mod record;
mod settings;
mod text;

/// What a decoder may hold beside what grows with its input: lists of names, messages, tables of the client library.
const ALWAYS: usize = 1 << 20;

/// What a decoder may hold per byte of input. The dearest are settings: two bytes of a list in TOML become a value of its own.
const PER_BYTE: usize = 256;

/// Text that stands in a secret's place; it may be nowhere in what is shown or published.
pub(crate) const SECRET: &str = "hunter2";

/// Decoders that share their kind of input.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of its folder in the corpus, and on the command line.
    pub name: &'static str,
    decode: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "record", decode: record::decode },
    Target { name: "dead_letter", decode: dead_letter::decode },
    Target { name: "page", decode: page::decode },
    Target { name: "settings", decode: settings::decode },
    Target { name: "text", decode: text::decode },
];

impl Target {
    /// The target of that name.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.iter().find(|target| target.name == name).copied()
    }

    /// Decodes one input. Panics where a promise is broken or where memory grows out of proportion.
    pub fn take(&self, input: &[u8]) {
        let most = ALWAYS + PER_BYTE * input.len();
        let worst = allocation::peak(|| (self.decode)(input));
        assert!(worst <= most, "{} bytes of input took {worst} bytes of memory", input.len());
    }
}
