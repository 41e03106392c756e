//! The pure parts of the pipeline, to be counted: `counts` prints the names of the cases, `counts CASE ROUNDS` does one.
//!
//! `cargo xtask bench counts` runs a case under callgrind with fewer and with more rounds, so that what the process costs
//! before its first round falls out.

mod case;
mod material;

use std::error::Error;
use std::hint::black_box;

use crate::case::Case;
use crate::material::Material;

#[expect(clippy::print_stdout, reason = "the answer of this program")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        for case in Case::ALL {
            println!("{} {}", case.name(), case.records());
        }
        return Ok(());
    };
    let case = Case::ALL.into_iter().find(|case| case.name() == name).ok_or("no such case")?;
    let rounds: u64 = arguments.next().ok_or("the number of rounds is missing")?.parse()?;
    let material = Material::read()?;
    for _ in 0..rounds {
        black_box(case.round(&material)?);
    }
    Ok(())
}
