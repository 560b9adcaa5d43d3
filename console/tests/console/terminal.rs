//! The prompt on a pseudo-terminal and in a pipe, with the example `attach` as the program.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, tcgetattr},
};
use serde_json::{Value, json};

use crate::node::Node;

const TIMEOUT: Duration = Duration::from_secs(30);
const CONTROL_C: &[u8] = b"\x03";
const CONTROL_D: &[u8] = b"\x04";
const UP: &[u8] = b"\x1b[A";

fn node() -> Node {
    Node::start(|method, params| {
        Ok(match method {
            "eth_blockNumber" => json!("0x10"),
            "personal_newAccount" => json!(format!("account of {}", params[0].as_str().unwrap())),
            "web3_clientVersion" => json!("Test/v1"),
            _ => Value::Null,
        })
    })
}

/// Returns the program, which cargo builds together with the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    folder.join("examples/attach")
}

fn attach(node: &Node, history: &Path) -> Command {
    let mut command = Command::new(program());
    command
        .arg(&node.path)
        .env("ACTOREUM_CONSOLE_HISTORY", history);
    command
}

/// A console on its own terminal.
struct Terminal {
    keyboard: File,
    child: Child,
    screen: Arc<Mutex<Vec<u8>>>,
    seen: usize,
}

impl Terminal {
    fn start(node: &Node, history: &Path) -> Self {
        let keyboard = File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap());
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let name = std::ffi::OsStr::from_bytes(name.as_bytes());
        let side = || {
            Stdio::from(
                OpenOptions::new()
                    .read(true)
                    .write(true)
                    .open(name)
                    .unwrap(),
            )
        };
        let child = attach(node, history)
            .env("TERM", "xterm")
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut from, into) = (keyboard.try_clone().unwrap(), Arc::clone(&screen));
        thread::spawn(move || {
            let mut part = [0; 4_096];
            while let Ok(length) = from.read(&mut part) {
                into.lock().unwrap().extend_from_slice(&part[..length]);
            }
        });
        let mut terminal = Self {
            keyboard,
            child,
            screen,
            seen: 0,
        };
        terminal.wait_for("modules: ");
        terminal.wait_for("> ");
        terminal
    }

    fn wait_for(&mut self, text: &str) {
        let begun = Instant::now();
        loop {
            let screen = self.screen.lock().unwrap();
            let rest = String::from_utf8_lossy(&screen[self.seen..]).into_owned();
            if let Some(at) = rest.find(text) {
                self.seen += at + text.len();
                return;
            }
            drop(screen);
            assert!(begun.elapsed() < TIMEOUT, "{text:?} is not in {rest:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn keys(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).unwrap();
    }

    fn line(&mut self, text: &str) {
        self.keys(text.as_bytes());
        self.keys(b"\r");
    }

    fn has_echo(&self) -> bool {
        tcgetattr(&self.keyboard)
            .unwrap()
            .local_modes
            .contains(LocalModes::ECHO)
    }

    /// Waits until the program has ended, and returns its code and the whole screen.
    fn end(mut self) -> (i32, String) {
        let begun = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(
                    begun.elapsed() < TIMEOUT,
                    "the console does not end: {:?}",
                    String::from_utf8_lossy(&self.screen.lock().unwrap())
                ),
            }
            thread::sleep(Duration::from_millis(5));
        };
        assert!(self.has_echo());
        let screen = self.screen.lock().unwrap();
        (
            status.code().unwrap_or(-1),
            String::from_utf8_lossy(&screen).into_owned(),
        )
    }
}

#[test]
fn a_session_on_a_terminal_evaluates_lines() {
    let node = node();
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history");
    let mut terminal = Terminal::start(&node, &history);
    terminal.line("eth.blockNumber + 1");
    terminal.wait_for("\x1b[31m17\x1b[0m");
    terminal.line("function f(a) {");
    terminal.wait_for("... ");
    terminal.line("return [a, (");
    terminal.wait_for("...... ");
    terminal.line("7)] }");
    terminal.line("f(1)[1] + 100");
    terminal.wait_for("107");
    // An interrupt at the prompt discards the input.
    terminal.line("broken(");
    terminal.wait_for("... ");
    terminal.keys(CONTROL_C);
    terminal.wait_for("> ");
    terminal.line("3000 + 3");
    terminal.wait_for("3003");
    // The last input is recalled.
    terminal.wait_for("> ");
    terminal.keys(UP);
    terminal.keys(b"0\r");
    terminal.wait_for("3030");
    terminal.line("exit");
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    let kept = fs::read_to_string(&history).unwrap();
    let expected = "eth.blockNumber + 1\nfunction f(a) {\nreturn [a, (\n7)] }\nf(1)[1] + 100\n3000 + 3\n3000 + 30";
    assert_eq!(kept, expected);
    assert_eq!(
        fs::metadata(&history).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn the_tab_key_completes_names() {
    let node = node();
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(&node, &folder.path().join("history"));
    terminal.keys(b"eth.blockN\t");
    terminal.wait_for("eth.blockNumber");
    terminal.keys(b"\r");
    terminal.wait_for("16");
    terminal.keys(b"x = web3.toW\t\t'1')\r");
    terminal.wait_for("1000000000000000000");
    terminal.keys(b"eth.getBlock\t\t");
    terminal.wait_for("eth.getBlockTransactionCount");
    terminal.wait_for("eth.getBlockUncleCount");
    terminal.keys(CONTROL_C);
    // The line editor leaves the bracketed paste mode, and shows a fresh prompt.
    terminal.wait_for("\x1b[?2004l");
    terminal.wait_for("> ");
    terminal.keys(CONTROL_D);
    assert_eq!(terminal.end().0, 0);
}

#[test]
fn an_interrupt_stops_a_running_script() {
    let node = node();
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(&node, &folder.path().join("history"));
    terminal.line("console.log('run' + 'ning'); for (;;) {}");
    terminal.wait_for("running");
    // The terminal is not the controlling one of the program: the signal is sent as the shell would.
    let id = rustix::process::Pid::from_child(&terminal.child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    terminal.wait_for("interrupted");
    terminal.line("40 + 2");
    terminal.wait_for("42");
    terminal.keys(CONTROL_D);
    assert_eq!(terminal.end().0, 0);
}

#[test]
fn passwords_are_asked_for_without_echo() {
    let node = node();
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history");
    let mut terminal = Terminal::start(&node, &history);
    terminal.line("personal.newAccount()");
    for question in ["Passphrase: ", "Repeat passphrase: "] {
        terminal.wait_for(question);
        assert!(!terminal.has_echo());
        terminal.line("top-secret");
    }
    terminal.wait_for("account of top-secret");
    terminal.line("personal.newAccount()");
    terminal.wait_for("Passphrase: ");
    terminal.keys(CONTROL_C);
    terminal.wait_for("prompt aborted");
    terminal.line("personal.newAccount('x'.length + '')");
    terminal.wait_for("account of 1");
    terminal.keys(CONTROL_D);
    let (code, screen) = terminal.end();
    assert_eq!(code, 0);
    assert_eq!(screen.matches("top-secret").count(), 1, "{screen}");
    // Nothing of it was kept.
    assert!(!history.exists());
}

#[test]
fn a_cleared_history_is_not_recalled() {
    let node = node();
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history");
    fs::write(&history, "100 + 11").unwrap();
    let mut terminal = Terminal::start(&node, &history);
    terminal.keys(UP);
    terminal.keys(b"\r");
    terminal.wait_for("111");
    terminal.line("admin.clearHistory()");
    terminal.wait_for("history file deleted");
    terminal.wait_for("> ");
    terminal.keys(UP);
    terminal.line("1000 + 1");
    terminal.wait_for("1001");
    terminal.keys(CONTROL_D);
    assert_eq!(terminal.end().0, 0);
    assert_eq!(fs::read_to_string(&history).unwrap(), "1000 + 1");
}

#[test]
fn a_pipe_is_read_line_by_line() {
    let node = node();
    let folder = tempfile::tempdir().unwrap();
    let mut child = attach(&node, &folder.path().join("history"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = "1 +\npersonal.newAccount()\nsecret\nsecret\nf = (\n\n2)\n";
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, session) = text.split_once("\n\n> ").unwrap();
    let expected = "\nSyntaxError: unexpected token\n    at <anonymous>:2:1\n\n> \n\
        !! Unsupported terminal, password will be echoed.\nPassphrase: \nRepeat passphrase: \n\
        \"account of secret\"\n> \n... \n... \n2\n> \n";
    let lines = |text: &str| -> Vec<String> {
        let kept = text
            .lines()
            .filter(|it| !it.starts_with("    at ") && !it.contains("SyntaxError"));
        kept.map(str::to_owned).collect()
    };
    assert_eq!(lines(session), lines(expected), "{session}");
    assert!(output.status.success());
}

#[test]
fn the_exit_code_tells_whether_code_threw() {
    let node = node();
    let folder = tempfile::tempdir().unwrap();
    for (code, stdout, status) in [
        ("eth.blockNumber", "16\n", 0),
        ("throw 'no'", "no\n", 1),
        ("admin.sleep()", "usage: sleep(<number of seconds>)\n", 1),
    ] {
        let output = attach(&node, &folder.path().join("history"))
            .arg(code)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), stdout);
        assert_eq!(output.status.code(), Some(status));
    }
    let output = Command::new(program())
        .arg("/nowhere/geth.ipc")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.starts_with("Fatal: api modules: No such file"),
        "{text}"
    );
}
