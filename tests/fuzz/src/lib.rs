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

/// What a decoder may hold per byte of input.
const PER_BYTE: usize = 256;

/// The same for settings, which an operator writes: two bytes of a dotted key in TOML become a table of its own, of 1.2 KiB.
const PER_BYTE_OF_SETTINGS: usize = 1024;

/// Text that stands in a secret's place; it may be nowhere in what is shown or published.
pub(crate) const SECRET: &str = "hunter2";

/// Decoders that share their kind of input.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of its folder in the corpus, and on the command line.
    pub name: &'static str,
    decode: fn(&[u8]),
    /// What it may hold per byte of input.
    per_byte: usize,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "record", decode: record::decode, per_byte: PER_BYTE },
    Target { name: "dead_letter", decode: dead_letter::decode, per_byte: PER_BYTE },
    Target { name: "page", decode: page::decode, per_byte: PER_BYTE },
    Target { name: "settings", decode: settings::decode, per_byte: PER_BYTE_OF_SETTINGS },
    Target { name: "text", decode: text::decode, per_byte: PER_BYTE },
];

impl Target {
    /// The target of that name.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.iter().find(|target| target.name == name).copied()
    }

    /// Decodes one input. Panics where a promise is broken or where memory grows out of proportion.
    pub fn take(&self, input: &[u8]) {
        let most = ALWAYS + self.per_byte * input.len();
        let worst = allocation::peak(|| (self.decode)(input));
        assert!(worst <= most, "{} bytes of input took {worst} bytes of memory", input.len());
    }
}
