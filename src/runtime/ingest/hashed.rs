//! An input that can be read only once, hashed while it is read.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use crate::port::{Input, InputBytes};

/// Bytes that went by.
#[derive(Default)]
pub struct Passed {
    hash: Sha256,
    bytes: u64,
}

pub struct Hashed {
    inner: Arc<dyn Input>,
    passed: Arc<Mutex<Passed>>,
}

impl Hashed {
    pub fn over(inner: Arc<dyn Input>) -> (Arc<dyn Input>, Arc<Mutex<Passed>>) {
        let passed = Arc::<Mutex<Passed>>::default();
        (Arc::new(Self { inner, passed: Arc::clone(&passed) }), passed)
    }
}

impl Passed {
    /// How many they were, and their hash.
    pub fn identity(passed: &Mutex<Self>) -> (u64, String) {
        let Ok(passed) = passed.lock() else { return (0, String::new()) };
        let hash = passed.hash.clone().finalize();
        (passed.bytes, hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl Input for Hashed {
    fn name(&self) -> Arc<str> {
        self.inner.name()
    }

    fn size_bytes(&self) -> Option<u64> {
        self.inner.size_bytes()
    }

    fn open(&self) -> io::Result<InputBytes> {
        Ok(match self.inner.open()? {
            InputBytes::Stream(stream) => {
                InputBytes::Stream(Box::new(Stream { stream, passed: Arc::clone(&self.passed) }))
            }
            file @ InputBytes::File(_) => file,
        })
    }

    fn consumed_bytes(&self) -> Option<u64> {
        self.inner.consumed_bytes()
    }
}

struct Stream {
    stream: Box<dyn Read + Send>,
    passed: Arc<Mutex<Passed>>,
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(into)?;
        if let Ok(mut passed) = self.passed.lock() {
            passed.hash.update(&into[..read]);
            passed.bytes += read as u64;
        }
        Ok(read)
    }
}
