//! Starts a stack on the folder that is given, prints the process ids of its servers, and holds it until standard input ends:
//! `cargo run -p local-stack --example hold_a_stack -- /tmp/stack`.
#![expect(clippy::print_stdout, reason = "the answer of this program")]

use std::error::Error;
use std::io::Read as _;

use local_stack::{Artifacts, Profile, Stack, StackOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("the folder for the stack's data is missing")?;
    let artifacts = Artifacts::ensure(|_| {})?;
    // From a thread that ends: the servers are bound to the process, not to who asked for them.
    let start = || Stack::start(&StackOptions::new(folder, Profile::Test), &artifacts);
    let stack = std::thread::scope(|scope| scope.spawn(start).join()).map_err(|_| "the start panicked")??;
    let pid = |node: &local_stack::Node| node.pid().ok_or("the server has no process");
    println!("holding {} {}", pid(stack.kafka())?, pid(stack.cassandra())?);
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
