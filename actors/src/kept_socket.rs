//! Sockets that outlive the actors behind them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use parking_lot::Mutex;
use socket2::{Domain, Socket, Type};

/// A socket that an actor's first generation opens and each further one takes over.
///
/// While none is up, connections and datagrams wait in the kernel: nobody is refused, and nobody
/// else takes the port. A clone is the same socket.
#[derive(Debug, Clone, Default)]
pub struct KeptSocket {
    socket: Arc<Mutex<Option<Socket>>>,
}

impl KeptSocket {
    /// The socket; `open` makes it where there is none yet.
    ///
    /// # Errors
    /// Those of `open`, and where no file descriptor is free.
    pub fn get(&self, open: impl FnOnce() -> io::Result<Socket>) -> io::Result<Socket> {
        let mut kept = self.socket.lock();
        match &*kept {
            Some(socket) => socket.try_clone(),
            None => kept.insert(open()?).try_clone(),
        }
    }

    /// A socket that listens at an address whose old connections may linger, with room for
    /// `backlog` connections that nobody has accepted yet.
    ///
    /// # Errors
    /// Where the address is in use, not ours, or not permitted.
    pub fn listening(&self, address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
        let socket = self.get(|| {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(backlog)?;
            Ok(socket)
        })?;
        Ok(socket.into())
    }

    /// Lets it go: its port is free when the actor behind it has ended too.
    pub fn close(&self) {
        self.socket.lock().take();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn connections_wait_for_the_next_generation() {
        let kept = KeptSocket::default();
        let anywhere = "127.0.0.1:0".parse().unwrap();
        let first = kept.listening(anywhere, 8).unwrap();
        let address = first.local_addr().unwrap();
        drop(first);

        let client = TcpStream::connect(address).unwrap();
        let second = kept.listening(anywhere, 8).unwrap();
        assert_eq!(second.local_addr().unwrap(), address);
        let (_, from) = second.accept().unwrap();
        assert_eq!(from, client.local_addr().unwrap());

        kept.close();
        drop(second);
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn an_address_in_use_is_refused_until_it_is_free() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let (kept, address) = (KeptSocket::default(), taken.local_addr().unwrap());
        let refused = kept.listening(address, 8).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        drop(taken);
        assert!(kept.listening(address, 8).is_ok());
    }
}
