//! A minimal HTTP and JSON-RPC client.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};

/// Generous: on a loaded machine the first blob transaction waits long for the KZG setup, which a thread of
/// low priority loads.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Sends a request; returns the status and the body of the answer.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let cut_short = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").ok_or_else(cut_short)?;
    Ok((status.ok_or_else(cut_short)?, body.to_owned()))
}

/// Calls a JSON-RPC method; returns the result.
pub fn call(address: SocketAddr, method: &str, params: Value) -> io::Result<Value> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let (_, answer) = request(address, "POST", "/", &body.to_string())?;
    let mut answer: Value = serde_json::from_str(&answer)?;
    Ok(answer["result"].take())
}

/// Returns the result of `eth_blockNumber`.
pub fn block_number(address: SocketAddr) -> io::Result<u64> {
    let number = call(address, "eth_blockNumber", json!([]))?;
    let digits = number.as_str().and_then(|hex| hex.strip_prefix("0x"));
    digits
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or_else(|| io::Error::other(format!("not a number: {number}")))
}

/// Asks the admin page to crash an actor; returns whether the actor was running.
pub fn crash(admin: SocketAddr, path: &str) -> io::Result<bool> {
    disturb(admin, "/api/crash", path, &json!({ "path": path }))
}

/// Asks the admin page to let an actor hold its thread; returns whether the actor was running.
pub fn hang(admin: SocketAddr, path: &str, time: Duration) -> io::Result<bool> {
    let body = json!({ "path": path, "ms": time.as_millis() as u64 });
    disturb(admin, "/api/hang", path, &body)
}

/// Asks the admin page to stop an arbiter; returns whether it was running.
pub fn stop_arbiter(admin: SocketAddr, name: &str) -> io::Result<bool> {
    let body = json!({ "arbiter": name }).to_string();
    match request(admin, "POST", "/api/stop-arbiter", &body)? {
        (202, _) => Ok(true),
        (404, reason) if reason.starts_with(name) => Ok(false),
        answer => panic!("{answer:?}"),
    }
}

fn disturb(admin: SocketAddr, route: &str, path: &str, body: &Value) -> io::Result<bool> {
    match request(admin, "POST", route, &body.to_string())? {
        (202, _) => Ok(true),
        (409, reason) if reason.starts_with(path) => Ok(false),
        answer => panic!("{answer:?}"),
    }
}

/// Returns an actor of the tree, as the admin page shows it.
pub fn actor(admin: SocketAddr, path: &str) -> io::Result<Value> {
    fn find(node: &Value, path: &str) -> Option<Value> {
        if node["path"] == path {
            return Some(node.clone());
        }
        let children = node["children"].as_array()?;
        children.iter().find_map(|child| find(child, path))
    }
    let (_, body) = request(admin, "GET", "/api/actors", "")?;
    let tree: Value = serde_json::from_str(&body)?;
    find(&tree, path).ok_or_else(|| io::Error::other(format!("no actor {path} in {tree}")))
}
