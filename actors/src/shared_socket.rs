//! Sockets that stay open over restarts of the actors that use them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use parking_lot::Mutex;
use socket2::{Domain, Socket, Type};

/// A socket that is opened by the first generation of an actor and shared with each later one.
///
/// While the actor is down, connections and datagrams wait in the kernel: none is refused, and no
/// other process takes the port. Clones refer to the same socket.
#[derive(Debug, Clone, Default)]
pub struct SharedSocket {
    socket: Arc<Mutex<Option<Socket>>>,
}

impl SharedSocket {
    /// Returns a duplicate of the socket; `open` opens it at the first call.
    ///
    /// # Errors
    /// The errors of `open`, and where no file descriptor is free.
    pub fn get(&self, open: impl FnOnce() -> io::Result<Socket>) -> io::Result<Socket> {
        let mut shared = self.socket.lock();
        match &*shared {
            Some(socket) => socket.try_clone(),
            None => shared.insert(open()?).try_clone(),
        }
    }

    /// Returns a listening TCP socket (with `SO_REUSEADDR`) and a queue of `backlog` connections
    /// that are not accepted yet.
    ///
    /// # Errors
    /// Where the address is in use, not local, or not permitted.
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

    /// Closes the socket. The port is free when the actor has dropped its duplicate, too.
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
        let socket = SharedSocket::default();
        let anywhere = "127.0.0.1:0".parse().unwrap();
        let first = socket.listening(anywhere, 8).unwrap();
        let address = first.local_addr().unwrap();
        drop(first);

        let client = TcpStream::connect(address).unwrap();
        let second = socket.listening(anywhere, 8).unwrap();
        assert_eq!(second.local_addr().unwrap(), address);
        let (_, from) = second.accept().unwrap();
        assert_eq!(from, client.local_addr().unwrap());

        socket.close();
        drop(second);
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn an_address_in_use_is_refused_until_it_is_free() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let (socket, address) = (SharedSocket::default(), taken.local_addr().unwrap());
        let refused = socket.listening(address, 8).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        drop(taken);
        assert!(socket.listening(address, 8).is_ok());
    }
}
