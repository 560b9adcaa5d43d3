//! IPC: a stream of JSON values over a Unix socket.

use std::{
    io::{self, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use serde::Deserialize as _;
use serde_json::{Deserializer, value::RawValue};

use super::{Connection, TransportError};

/// Connection to a Unix socket.
pub struct IpcConnection {
    reader: BufReader<Bounded>,
    writer: UnixStream,
    max_bytes: usize,
}

/// Stream of which at most `left` bytes are read.
struct Bounded {
    stream: UnixStream,
    left: usize,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let length = buffer.len().min(self.left);
        let read = self.stream.read(&mut buffer[..length])?;
        self.left -= read;
        Ok(read)
    }
}

impl IpcConnection {
    /// Connects to the socket at `path`. Messages have at most `max_bytes`.
    ///
    /// # Errors
    /// No node listens there.
    pub fn open(path: &Path, max_bytes: usize) -> Result<Self, TransportError> {
        let writer = UnixStream::connect(path)?;
        let stream = writer.try_clone()?;
        let reader = BufReader::new(Bounded {
            stream,
            left: max_bytes,
        });
        Ok(Self {
            reader,
            writer,
            max_bytes,
        })
    }
}

impl Connection for IpcConnection {
    fn exchange(&mut self, request: &str) -> Result<String, TransportError> {
        self.writer.write_all(request.as_bytes())?;
        self.next()
    }

    fn next(&mut self) -> Result<String, TransportError> {
        self.reader.get_mut().left = self.max_bytes;
        // Nothing of the next message is consumed: an object ends with its brace.
        let mut deserializer = Deserializer::from_reader(&mut self.reader);
        match Box::<RawValue>::deserialize(&mut deserializer) {
            Ok(message) => Ok(String::from(Box::<str>::from(message))),
            Err(error) if error.io_error_kind() == Some(io::ErrorKind::FileTooLarge) => {
                Err(TransportError::TooLarge(self.max_bytes))
            }
            Err(error) if error.is_io() => Err(TransportError::Io(error.into())),
            Err(error) if error.is_eof() => Err(TransportError::Closed),
            Err(error) => Err(TransportError::Invalid(error.to_string())),
        }
    }
}
