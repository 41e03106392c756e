//! What building costs, and what comes out of it for an image.

use std::fs::File;
use std::io;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::failure::BenchError;

/// What was found out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Built {
    /// Seconds from nothing but downloaded sources to all programs of the workspace, in release.
    pub workspace_seconds: f64,
    /// Of each service.
    pub layers: Vec<Layer>,
}

/// The layer of an image that no other image has: the service's program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Layer {
    /// Whose.
    pub service: String,
    /// Bytes of the program.
    pub bytes: u64,
    /// Bytes of it under gzip at its usual level, as registries keep a layer.
    pub compressed_bytes: u64,
}

impl Layer {
    /// Of `program`, as it is copied into the image of `service`.
    ///
    /// # Errors
    /// The program cannot be read.
    pub fn of(service: &str, program: &Path) -> Result<Self, BenchError> {
        let compress = || {
            let mut file = File::open(program)?;
            let mut compressed = GzEncoder::new(Count::default(), Compression::default());
            let bytes = io::copy(&mut file, &mut compressed)?;
            Ok(Self { service: service.to_owned(), bytes, compressed_bytes: compressed.finish()?.0 })
        };
        compress().map_err(BenchError::file(program))
    }
}

/// How much was written.
#[derive(Debug, Default)]
struct Count(u64);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_as_large_as_its_program_and_smaller_compressed() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        std::fs::write(&program, vec![7; 100_000]).unwrap();
        let layer = Layer::of("producer", &program).unwrap();
        assert_eq!(layer.bytes, 100_000);
        assert!((20..1_000).contains(&layer.compressed_bytes), "{layer:?}");
    }
}
