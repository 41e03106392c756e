//! A part of the page.

use crate::report::source::Source;

/// Its text, in Markdown, and its plots by the names of their files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Section {
    pub(crate) text: String,
    pub(crate) plots: Vec<(String, String)>,
}

impl Section {
    /// A paragraph, a table or a list; an empty one leaves nothing behind.
    pub(crate) fn add(&mut self, block: &str) {
        if block.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
        self.text.push_str(block.trim_end());
    }

    /// A plot and its place in the text.
    pub(crate) fn plot(&mut self, name: &str, told: &str, svg: String) {
        self.add(&format!("![{told}](bench/results/{name}.svg)"));
        self.plots.push((format!("{name}.svg"), svg));
    }

    /// Where its figures come from.
    pub(crate) fn from(&mut self, source: &Source, command: &str) {
        self.add(&source.told(command));
    }

    /// That there are no figures.
    pub(crate) fn unmeasured(&mut self, command: &str) {
        self.add(&format!(
            "Not measured yet: no file in `bench/results/` is of a whole run. `cargo xtask bench {command}` makes one."
        ));
    }
}
