//! Users a second, rendered in process and over HTTP on loopback. Prints figures, asserts none.
//!
//! The server has one thread, so its figure is that of one core, provided the machine has a second one for the client.

#![expect(clippy::print_stdout, reason = "the figures are what it is run for")]

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use chrono::Utc;
use randomuser_sim::answer::{Answer, Lie};
use randomuser_sim::asked::Asked;
use randomuser_sim::{Catalogue, Running, Settings, Share};

/// How long each figure is measured.
const LASTING: Duration = Duration::from_secs(3);

fn main() -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let catalogue = Catalogue::new();
    println!("pool rendered in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    for results in [100, 5_000] {
        in_process(&catalogue, results);
    }
    let address = serve()?;
    for results in [100, 1_000, 5_000] {
        over_http(address, results)?;
    }
    Ok(())
}

fn in_process(catalogue: &Catalogue, results: u32) {
    let today = Utc::now().date_naive();
    measure("in process", results, |page| {
        let asked = Asked::plain("bench", page, results);
        let answer = Answer::render(catalogue, &asked, Lie::default(), &Share::default(), today);
        Ok(answer.body.len())
    })
    .unwrap_or_default();
}

/// The server on a thread of its own, until this process ends.
fn serve() -> Result<SocketAddr, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let running = runtime.block_on(Running::start(Settings::for_test()))?;
    let address = running.address();
    std::thread::spawn(move || {
        runtime.block_on(std::future::pending::<()>());
        drop(running);
    });
    Ok(address)
}

fn over_http(address: SocketAddr, results: u32) -> Result<(), Box<dyn Error>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(1 << 18, stream.try_clone()?);
    let mut body = Vec::new();
    measure("over http", results, |page| {
        write!(stream, "GET /api/?seed=bench&page={page}&results={results} HTTP/1.1\r\nHost: sim\r\n\r\n")?;
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        Ok(length)
    })
}

/// Asks for page after page, and prints users and bytes a second.
fn measure(
    what: &str,
    results: u32,
    mut answer: impl FnMut(u32) -> Result<usize, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let (mut answers, mut bytes) = (0_u32, 0_usize);
    while start.elapsed() < LASTING {
        bytes += answer(1 + answers % 10_000)?;
        answers += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{what:>10}, {results:>4} users an answer: {:>9.0} users/s, {:>6.0} MB/s",
        f64::from(answers) * f64::from(results) / seconds,
        bytes as f64 / 1e6 / seconds
    );
    Ok(())
}
