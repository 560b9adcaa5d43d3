//! Questions on a real terminal: what is shown, and what is not.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    os::unix::ffi::OsStrExt,
    path::Path,
    process::{Child, Stdio},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Termios, tcgetattr},
};

use crate::{
    accounts::{Files, PRESALE, created_address, key_file, mode},
    process::actoreum,
};

const TIMEOUT: Duration = Duration::from_secs(60);
const NEW: &str = "Your new account is locked with a password. Please give a password. \
Do not forget this password.\r\n";
const ASKED_TWICE: &str = "Passphrase: \r\nRepeat passphrase: \r\n";

/// A process on its own terminal.
struct Terminal {
    keyboard: File,
    child: Child,
    screen: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<()>,
    /// Number of bytes of the screen before the end of the last text that was waited for.
    seen: usize,
    before: LocalModes,
}

fn modes(terminal: &File) -> LocalModes {
    let modes: Termios = tcgetattr(terminal).unwrap();
    modes.local_modes
}

impl Terminal {
    fn start(datadir: &Path, args: &[&str]) -> Self {
        let keyboard = File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap());
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let name = std::ffi::OsStr::from_bytes(name.as_bytes());
        let side = || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .open(name)
                .unwrap()
        };
        let before = modes(&keyboard);
        let all = [&["--datadir", datadir.to_str().unwrap()], args].concat();
        let child = actoreum(&all)
            .stdin(Stdio::from(side()))
            .stdout(Stdio::from(side()))
            .stderr(Stdio::from(side()))
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut from, into) = (keyboard.try_clone().unwrap(), Arc::clone(&screen));
        // Reading fails when the other side is closed.
        let reading = thread::spawn(move || {
            let mut part = [0; 4_096];
            while let Ok(length) = from.read(&mut part) {
                into.lock().extend_from_slice(&part[..length]);
            }
        });
        Self {
            keyboard,
            child,
            screen,
            reading,
            seen: 0,
            before,
        }
    }

    fn wait_for(&mut self, text: &str) {
        let begun = Instant::now();
        loop {
            let screen = self.screen.lock();
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

    /// Waits for a question, asserts that the terminal does not echo, and types the answer.
    fn answer(&mut self, question: &str, keys: &[u8]) {
        self.wait_for(question);
        assert!(
            !modes(&self.keyboard).contains(LocalModes::ECHO),
            "{question:?}"
        );
        self.keyboard.write_all(keys).unwrap();
    }

    /// Waits for the end and asserts that the terminal's modes are restored; returns the exit code
    /// and the screen.
    fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        self.reading.join().unwrap();
        let modes = modes(&self.keyboard);
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
        assert_eq!(modes, self.before);
        let screen = self.screen.lock().clone();
        (code, String::from_utf8(screen).unwrap())
    }
}

#[test]
fn a_password_is_asked_for_twice_and_never_shown() {
    let files = Files::new();
    let data = files.path("data");
    let mut terminal = Terminal::start(&data, &["account", "new", "--lightkdf"]);
    terminal.answer("Passphrase: ", b"hunterx\x7f\r");
    terminal.answer("Repeat passphrase: ", b"hun\x1b[Cter\r");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    let address = created_address(&screen.replace('\r', ""));
    let plain = hex::encode(address);
    assert_eq!(
        screen,
        format!("{NEW}{ASKED_TWICE}Address: {{{plain}}}\r\n")
    );

    // The typed password opens the key, and export shows the question and its answer.
    let key = files.text("key");
    for target in [&key[..], "--terminal"] {
        let mut terminal = Terminal::start(&data, &["account", "export", &plain, target]);
        terminal.answer("Passphrase: ", b"hunter\r");
        terminal.wait_for("Type export to go on: ");
        terminal.keyboard.write_all(b"export\r").unwrap();
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(0), "{screen}");
        assert!(!screen.contains("hunter"), "{screen}");
        assert!(
            screen.contains("Type export to go on: export\r\n"),
            "{screen}"
        );
        let digits = fs::read_to_string(&key).unwrap();
        assert_eq!(screen.contains(&digits), target == "--terminal");
    }
    assert_eq!(mode(Path::new(&key)), 0o600);

    let other = files.path("other");
    let mut terminal = Terminal::start(&other, &["account", "import", "--lightkdf", &key]);
    terminal.answer("Passphrase: ", b"a\r");
    terminal.answer("Repeat passphrase: ", b"a\r");
    let (_, screen) = terminal.end();
    assert_eq!(created_address(&screen.replace('\r', "")), address);

    let wallet = files.write("wallet", PRESALE);
    let mut terminal = Terminal::start(&other, &["wallet", "import", "--lightkdf", &wallet]);
    terminal.answer("Passphrase: ", b"presale secret\r");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        screen.starts_with("Passphrase: \r\nAddress: {40c9"),
        "{screen}"
    );
}

#[test]
fn aborts_and_typos_are_reported_and_the_terminal_is_restored() {
    let files = Files::new();
    let data = files.path("data");
    let fails = |args: &[&str], answers: &[(&str, &[u8])], text: &str| {
        let mut terminal = Terminal::start(&data, args);
        for (question, keys) in answers {
            terminal.answer(question, keys);
        }
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(1), "{screen}");
        let fatal = format!("Fatal: {text}\r\n");
        assert!(
            screen.ends_with(&fatal),
            "{fatal:?} does not end {screen:?}"
        );
        assert!(!screen.contains("hunter"), "{screen}");
        screen
    };
    let new = ["account", "new", "--lightkdf"];
    let (first, second) = ("Passphrase: ", "Repeat passphrase: ");
    let aborted = "Failed to read passphrase: prompt aborted";
    fails(&new, &[(first, b"hunter\x03")], aborted);
    fails(&new, &[(first, b"\x04")], "Failed to read passphrase: EOF");
    let aborted = "Failed to read passphrase confirmation: prompt aborted";
    fails(&new, &[(first, b"a\r"), (second, b"\x03")], aborted);
    let answers: [(&str, &[u8]); 2] = [(first, b"hunter1\r"), (second, b"hunter2\r")];
    fails(&new, &answers, "Passphrases do not match");
    assert!(!data.join("keystore").exists(), "nothing was written");

    let mut terminal = Terminal::start(&data, &new);
    terminal.answer(first, b"right\r");
    terminal.answer(second, b"right\r");
    let plain = hex::encode(created_address(&terminal.end().1.replace('\r', "")));
    let file = fs::read(key_file(&data)).unwrap();
    let wrong: [(&str, &[u8]); 3] = [
        ("Attempt 1/3\r\nPassphrase: ", b"hunter1\r"),
        ("Attempt 2/3\r\nPassphrase: ", b"hunter2\r"),
        ("Attempt 3/3\r\nPassphrase: ", b"hunter3\r"),
    ];
    let text =
        format!("Failed to unlock account {plain} (could not decrypt key with given passphrase)");
    for args in [
        &["account", "update", "--lightkdf", &plain][..],
        &["account", "export", &plain, "--terminal"],
        &["--unlock", &plain],
    ] {
        fails(args, &wrong, &text);
    }
    let answers: [(&str, &[u8]); 3] = [
        ("Attempt 1/3\r\nPassphrase: ", b"right\r"),
        (
            "new password. Do not forget this password.\r\nPassphrase: ",
            b"a\r",
        ),
        (second, b"b\r"),
    ];
    let update = ["account", "update", "--lightkdf", &plain];
    fails(&update, &answers, "Passphrases do not match");
    assert_eq!(
        fs::read(key_file(&data)).unwrap(),
        file,
        "the key file is unchanged"
    );
}

#[test]
fn a_node_prompts_for_the_passwords_of_accounts_to_unlock() {
    let files = Files::new();
    let data = files.path("data");
    let mut names = Vec::new();
    for password in ["one", "two"] {
        let path = files.write("password", password);
        let args = ["account", "new", "--lightkdf", "--password", &path];
        let terminal = Terminal::start(&data, &args);
        names.push(hex::encode(created_address(
            &terminal.end().1.replace('\r', ""),
        )));
    }
    let (first, second) = (&names[0], &names[1]);
    let both = format!("{first},{second}");
    let args = [
        "--dev",
        "--unlock",
        &both,
        "--ipcdisable",
        "--admin.port",
        "0",
    ];
    let mut terminal = Terminal::start(&data, &args);
    let question = |name| format!("Unlocking account {name} | Attempt 1/3\r\nPassphrase: ");
    terminal.answer(&question(first), b"one\r");
    terminal.answer(&question(second), b"two\r");
    terminal.wait_for("unlocked account");
    terminal.child.kill().unwrap();
    let (_, screen) = terminal.end();
    assert!(
        !screen.contains("one\r") && !screen.contains("two\r"),
        "{screen}"
    );
}
