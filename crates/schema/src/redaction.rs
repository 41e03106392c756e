//! A user's JSON less what must never leave the producer: `login.password`, `salt`, `md5`, `sha1`, `sha256` and `id.value`.
//!
//! Works on the text, so that everything else stays byte for byte: order, numbers, white space, duplicates. It is broader
//! than the contract on purpose: the five names go wherever they occur, and `value` goes anywhere below an `id`, so that a
//! user of an unexpected shape does not carry a secret past the list.

const SECRETS: [&str; 5] = ["password", "salt", "md5", "sha1", "sha256"];

/// The JSON text without the secrets; `None` where the text is not JSON, of which no part can be trusted.
pub fn redacted(raw_user: &str) -> Option<String> {
    // Checks the whole text, whatever its nesting, so that the scanner below may trust it.
    serde_json::from_str::<&serde_json::value::RawValue>(raw_user).ok()?;
    Scanner { rest: raw_user, kept: String::with_capacity(raw_user.len()), open: Vec::new() }.run()
}

/// A container that is not closed yet.
struct Container {
    is_object: bool,
    /// Below a member named `id`.
    below_id: bool,
    /// Whether a member was kept, so that the next one needs a comma before it.
    kept_any: bool,
}

/// Walks valid JSON without recursion, copying what is kept. `None` from any step means the text was not valid after all.
struct Scanner<'a> {
    rest: &'a str,
    kept: String,
    open: Vec<Container>,
}

impl<'a> Scanner<'a> {
    fn run(mut self) -> Option<String> {
        self.keep_space();
        self.value(false)?;
        while let Some(container) = self.open.last() {
            let is_object = container.is_object;
            let space = self.space();
            match self.rest.bytes().next()? {
                b'}' | b']' => {
                    self.kept.push_str(space);
                    self.keep(1)?;
                    self.open.pop();
                }
                b',' if is_object => {
                    self.kept.push_str(space);
                    self.take(1)?;
                    let space = self.space();
                    self.member(space)?;
                }
                b',' => {
                    self.kept.push_str(space);
                    self.keep(1)?;
                    self.keep_space();
                    self.element()?;
                }
                _ if is_object => self.member(space)?,
                _ => {
                    self.kept.push_str(space);
                    self.element()?;
                }
            }
        }
        self.keep_space();
        self.rest.is_empty().then_some(self.kept)
    }

    fn element(&mut self) -> Option<()> {
        let below_id = self.open.last()?.below_id;
        self.value(below_id)
    }

    /// One member of an object, from its name on, with the space before it; its comma is written here, and only where it is
    /// kept.
    fn member(&mut self, space: &str) -> Option<()> {
        let name_text = self.take(string_length(self.rest)?)?;
        let before_colon = self.space();
        let colon = self.take(1)?;
        let after_colon = self.space();
        let name: String = serde_json::from_str(name_text).ok()?;
        let container = self.open.last_mut()?;
        if SECRETS.contains(&name.as_str()) || (container.below_id && name == "value") {
            let length = value_length(self.rest)?;
            self.take(length)?;
            self.space();
            return Some(());
        }
        if container.kept_any {
            self.kept.push(',');
        }
        container.kept_any = true;
        let below_id = container.below_id || name == "id";
        for part in [space, name_text, before_colon, colon, after_colon] {
            self.kept.push_str(part);
        }
        self.value(below_id)
    }

    /// Keeps a scalar whole; enters a container.
    fn value(&mut self, below_id: bool) -> Option<()> {
        match self.rest.bytes().next()? {
            opening @ (b'{' | b'[') => {
                self.keep(1)?;
                self.open.push(Container { is_object: opening == b'{', below_id, kept_any: false });
                Some(())
            }
            _ => self.keep(value_length(self.rest)?),
        }
    }

    fn take(&mut self, length: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn keep(&mut self, length: usize) -> Option<()> {
        let taken = self.take(length)?;
        self.kept.push_str(taken);
        Some(())
    }

    fn space(&mut self) -> &'a str {
        // Counted, not compared: what follows may be long, and there is space in many places.
        let length = self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.take(length).unwrap_or_default()
    }

    fn keep_space(&mut self) {
        let space = self.space();
        self.kept.push_str(space);
    }
}

/// Bytes of the string that the text begins with, quotes included.
fn string_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Bytes of the value that the text begins with.
fn value_length(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        match rest.bytes().next()? {
            b'"' => at += string_length(rest)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            _ => at += rest.find([',', '}', ']', ' ', '\t', '\r', '\n']).unwrap_or(rest.len()),
        }
        if depth == 0 {
            return Some(at);
        }
    }
}
