//! A minimal driver of a headless Chromium: the DevTools protocol over two pipes.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Bound on each wait, longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Names of the executable of an installed Chromium.
const NAMES: [&str; 6] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome-headless-shell",
    "headless_shell",
];

/// A page in its own browser process, which is killed on drop.
pub struct Page {
    browser: Child,
    commands: ChildStdin,
    answers: Receiver<Value>,
    events: VecDeque<Value>,
    session: Option<String>,
    last_id: u64,
    _profile: TempDir,
}

/// Returns `ACTOREUM_CHROMIUM`, or an installed Chromium.
fn executable() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("ACTOREUM_CHROMIUM") {
        return Some(path.into());
    }
    let folders = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&folders).collect();
    let candidates = NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|path| path.is_file())
}

impl Page {
    /// Opens a URL. Prints a line and returns `None` if no Chromium is installed.
    pub fn open(url: &str) -> Option<Self> {
        let Some(chromium) = executable() else {
            println!("skipped: no Chromium");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        // Chromium reads commands from descriptor 3 and writes answers to 4.
        let script = "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null";
        let mut browser = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(chromium)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--no-first-run",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = browser.stdin.take().unwrap();
        let messages = BufReader::new(browser.stdout.take().unwrap()).split(0);
        let (sender, answers) = channel();
        thread::spawn(move || {
            for message in messages.map_while(Result::ok) {
                let message = serde_json::from_slice(&message).unwrap();
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut page = Self {
            browser,
            commands,
            answers,
            events: VecDeque::new(),
            session: None,
            last_id: 0,
            _profile: profile,
        };
        let target = page.command("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = page.command("Target.attachToTarget", attach);
        page.session = attached["sessionId"].as_str().map(str::to_owned);
        page.command("Runtime.enable", json!({}));
        page.command("Network.enable", json!({}));
        page.command("Page.navigate", json!({ "url": url }));
        Some(page)
    }

    /// Sends a command and waits for its result.
    #[track_caller]
    pub fn command(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut command = json!({"id": self.last_id, "method": method, "params": params});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let bytes = format!("{command}\0").into_bytes();
        self.commands.write_all(&bytes).unwrap();
        loop {
            let mut answer = self
                .answers
                .recv_timeout(TIMEOUT)
                .unwrap_or_else(|error| panic!("no answer to {command}: {error}"));
            if answer["id"] == self.last_id {
                assert!(answer["error"].is_null(), "{command}: {answer}");
                return answer["result"].take();
            }
            self.events.push_back(answer);
        }
    }

    /// Returns the value of a JavaScript expression in the page.
    #[track_caller]
    pub fn value(&mut self, expression: &str) -> Value {
        let question = json!({"expression": expression, "returnByValue": true});
        let mut answer = self.command("Runtime.evaluate", question);
        let failure = &answer["exceptionDetails"];
        assert!(failure.is_null(), "{expression}: {failure}");
        answer["result"]["value"].take()
    }

    /// Waits until a JavaScript expression is true.
    #[track_caller]
    pub fn wait_for(&mut self, expression: &str) {
        let begun = Instant::now();
        while self.value(expression) != json!(true) {
            let is_over = begun.elapsed() > TIMEOUT;
            assert!(
                !is_over,
                "never true: {expression}\n{}",
                self.value("document.body.innerText")
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Holds the left mouse button over the middle of an element for the time `hold`.
    pub fn press(&mut self, selector: &str, hold: Duration) {
        let place = format!(
            "(() => {{ const it = document.querySelector({selector:?}); \
             it.scrollIntoView({{ block: 'center' }}); const box = it.getBoundingClientRect(); \
             return {{ x: box.x + box.width / 2, y: box.y + box.height / 2 }}; }})()"
        );
        let place = self.value(&place);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({
                "type": kind, "x": place["x"], "y": place["y"], "button": "left", "clickCount": 1,
            });
            self.command("Input.dispatchMouseEvent", event);
            thread::sleep(hold);
        }
    }

    /// Presses and releases a key.
    pub fn key(&mut self, name: &str) {
        for kind in ["keyDown", "keyUp"] {
            let event = json!({"type": kind, "key": name, "code": name});
            self.command("Input.dispatchKeyEvent", event);
        }
    }

    /// Returns the parameters of every event `method` so far.
    pub fn events(&self, method: &str) -> Vec<&Value> {
        let events = self.events.iter();
        let events = events.filter(|event| event["method"] == method);
        events.map(|event| &event["params"]).collect()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // The browser may have exited already.
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}
