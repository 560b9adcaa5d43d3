//! Runs the binary under test as a process and reads its output.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    net::{Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Bound on each wait, longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(240);

/// The binary under test: `ACTOREUM_BIN`, or the one that cargo built for this test.
fn binary() -> PathBuf {
    std::env::var_os("ACTOREUM_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_actoreum").into(), PathBuf::from)
}

/// Returns a command line with a home folder that does not exist and with the default log settings.
pub fn actoreum(args: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(args)
        .env("HOME", "/proc/nobody")
        .env_remove("RUST_LOG")
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null());
    command
}

/// Returns the command line of a node with any free port and without discovery, unless `args` say
/// otherwise.
pub fn alone(args: &[impl AsRef<OsStr>]) -> Command {
    let first = ["--port", "0", "--nodiscover", "--nat", "none"].map(OsStr::new);
    let args = first.into_iter().chain(args.iter().map(AsRef::as_ref));
    actoreum(&args.collect::<Vec<_>>())
}

/// Returns the command line of [`alone`] with JSON-RPC over HTTP at any free port and without IPC.
pub fn http_only(datadir: &str, more: &[&str]) -> Command {
    let args = [
        "--datadir",
        datadir,
        "--ipcdisable",
        "--http",
        "--http.port",
        "0",
    ];
    alone(&[&args[..], more].concat())
}

/// Exit code and output of a process that has ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command line until it exits.
pub fn run(args: &[impl AsRef<OsStr>]) -> Ended {
    let output = actoreum(args).output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ended {
    /// Asserts success; returns the standard output.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        assert!(self.fatal_lines().is_empty(), "{self:#?}");
        self.stdout
    }

    /// Asserts exit code 1 and a single line that begins with `Fatal: ` and contains each of
    /// `parts`.
    #[track_caller]
    pub fn fatal(&self, parts: &[&str]) {
        assert_eq!(self.code, Some(1), "{self:#?}");
        let [line] = self.fatal_lines()[..] else {
            panic!("not one line that begins with Fatal: {self:#?}");
        };
        for part in parts {
            assert!(line.contains(part), "{part:?} is not in: {line}");
        }
        let crashes = self.stderr.matches("a crash was asked for").count();
        assert!(
            crashes > 0 || !self.stderr.contains("panicked"),
            "{self:#?}"
        );
    }

    fn fatal_lines(&self) -> Vec<&str> {
        let lines = self.stderr.lines();
        lines.filter(|line| line.starts_with("Fatal: ")).collect()
    }
}

/// A running process whose log is collected by a thread. It is killed on drop.
pub struct Running {
    child: Child,
    pub begun: Instant,
    log: Arc<Mutex<Vec<String>>>,
    reading: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts a node with the command line of [`alone`].
    pub fn start(args: &[impl AsRef<OsStr>]) -> Self {
        Self::start_command(alone(args))
    }

    /// Starts a node with the command line of [`http_only`]; returns it with the address of its
    /// JSON-RPC server.
    #[track_caller]
    pub fn start_http(datadir: &str, more: &[&str]) -> (Self, SocketAddr) {
        let mut process = Self::start_command(http_only(datadir, more));
        let address = process.wait_for_http();
        (process, address)
    }

    pub fn start_command(mut command: Command) -> Self {
        let begun = Instant::now();
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let into = Arc::clone(&log);
        let reading = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                into.lock().push(line);
            }
        });
        Self {
            child,
            begun,
            log,
            reading: Some(reading),
        }
    }

    /// Returns the first line of the log so far that contains `text`.
    pub fn line(&self, text: &str) -> Option<String> {
        let log = self.log.lock();
        log.iter().find(|line| line.contains(text)).cloned()
    }

    /// Returns all lines of the log so far that contain `text`.
    pub fn lines(&self, text: &str) -> Vec<String> {
        let log = self.log.lock();
        log.iter()
            .filter(|line| line.contains(text))
            .cloned()
            .collect()
    }

    /// Waits for a line of the log that contains `text`.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            if let Some(line) = self.line(text) {
                return line;
            }
            let is_over = self.has_ended() || begun.elapsed() > TIMEOUT;
            assert!(!is_over, "no line {text:?}: {:#?}", self.log.lock());
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Returns the address of the JSON-RPC server, if it listens already.
    pub fn http(&self) -> Option<SocketAddr> {
        self.line("HTTP endpoint opened").map(|line| address(&line))
    }

    /// Waits for the admin page; returns its address.
    #[track_caller]
    pub fn wait_for_admin(&mut self) -> SocketAddr {
        address(&self.wait_for("admin page opened"))
    }

    /// Waits for the JSON-RPC server; returns its address.
    #[track_caller]
    pub fn wait_for_http(&mut self) -> SocketAddr {
        address(&self.wait_for("HTTP endpoint opened"))
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end; returns the exit status, which includes a signal.
    pub fn exit_status(mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success());
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end; returns the exit code and the log.
    #[track_caller]
    pub fn wait(mut self) -> Ended {
        let begun = Instant::now();
        while !self.has_ended() {
            let log = self.log.lock();
            assert!(begun.elapsed() < TIMEOUT, "does not end: {log:#?}");
            drop(log);
            thread::sleep(Duration::from_millis(2));
        }
        let code = self.child.wait().unwrap().code();
        self.reading.take().unwrap().join().unwrap();
        let stderr = self.log.lock().join("\n");
        Ended {
            code,
            stdout: String::new(),
            stderr,
        }
    }

    /// Returns the resident memory, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// Returns the peak of the resident memory so far, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    /// Returns the processor time that the process has used so far.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |index: usize| fields[index].parse::<u64>().unwrap();
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }

    fn status_bytes(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kibibytes: u64 = line
            .and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok())
            .unwrap();
        kibibytes * 1024
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the address in a line of the log, as text or as JSON: `… url=http://127.0.0.1:1234`.
fn address(line: &str) -> SocketAddr {
    let (_, rest) = line.split_once("http://").unwrap();
    let is_part = |letter: char| letter.is_ascii_digit() || ".:".contains(letter);
    let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
    rest[..end].parse().unwrap()
}

/// Returns a port on which no process listens at the moment, outside of the range of ephemeral
/// ports, and another one on each call.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let is_free = |port: u16| {
        let address = (Ipv6Addr::UNSPECIFIED, port);
        TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
    };
    loop {
        let number = std::process::id() * 32 + NEXT.fetch_add(1, Relaxed);
        let port = 10_000 + u16::try_from(number % 20_000).unwrap();
        if is_free(port) {
            return port;
        }
    }
}
