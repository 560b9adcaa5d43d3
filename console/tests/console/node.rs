//! A JSON-RPC server on a Unix socket, and a console that is attached to it.

use std::{
    io::Write,
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

use actoreum_console::{Console, ConsoleError, Endpoint, Interrupt, Output, Passwords, Settings};
use serde_json::{Value, json};

/// Modules that the node serves: all that the console knows.
pub const MODULES: [&str; 14] = [
    "admin", "clique", "debug", "eth", "ethash", "les", "miner", "net", "personal", "rpc", "shh",
    "txpool", "web3", "unknown",
];

/// Requests that arrived: method and parameters.
pub type Requests = Arc<Mutex<Vec<(String, Value)>>>;

/// Answer to a request: the result, or the text of an error.
pub type Answer = Result<Value, String>;

/// A server that runs until the test ends.
pub struct Node {
    _folder: tempfile::TempDir,
    pub path: PathBuf,
    pub requests: Requests,
}

/// Lines that scripts printed.
#[derive(Clone, Default)]
pub struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Printed {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

struct Answers;

impl Passwords for Answers {
    fn ask(&mut self, question: &str) -> std::io::Result<String> {
        Ok(format!("answer to {question}"))
    }
}

impl Node {
    pub fn start(answer: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.ipc");
        let listener = UnixListener::bind(&path).unwrap();
        let requests = Requests::default();
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || serve(stream, &seen, &*answer));
            }
        });
        Self {
            _folder: folder,
            path,
            requests,
        }
    }

    pub fn settings(&self) -> Settings {
        let mut settings = Settings::of(Endpoint::Ipc(self.path.clone()));
        settings.output = Output::new(Printed::default());
        settings.has_colours = false;
        settings.interrupt = Interrupt::default();
        settings.passwords = |_| Box::new(Answers);
        settings
    }

    pub fn console(&self) -> Console {
        self.start_console(&self.settings()).unwrap()
    }

    pub fn start_console(&self, settings: &Settings) -> Result<Console, ConsoleError> {
        let console = Console::start(settings);
        self.requests.lock().unwrap().clear();
        console
    }

    /// Returns the requests since the last call.
    pub fn take(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn serve(
    mut stream: UnixStream,
    requests: &Requests,
    answer: &(impl Fn(&str, &Value) -> Answer + ?Sized),
) {
    // Without a buffer a request is parsed as soon as it is complete.
    let reader = stream.try_clone().unwrap();
    for request in serde_json::Deserializer::from_reader(reader).into_iter::<Value>() {
        let Ok(request) = request else {
            return;
        };
        let method = request["method"].as_str().unwrap();
        let modules = MODULES.iter().map(|it| ((*it).to_owned(), json!("1.0")));
        let result = if method == "rpc_modules" {
            Ok(Value::Object(modules.collect()))
        } else {
            requests
                .lock()
                .unwrap()
                .push((method.to_owned(), request["params"].clone()));
            answer(method, &request["params"])
        };
        let text = match result {
            Ok(result) => json!({"jsonrpc": "2.0", "id": request["id"], "result": result}),
            Err(message) => {
                json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32000, "message": message}})
            }
        };
        if stream.write_all(text.to_string().as_bytes()).is_err() {
            return;
        }
    }
}

/// Evaluates code that must not fail.
pub fn result(console: &Console, code: &str) -> String {
    let outcome = console.evaluate(code);
    assert!(!outcome.is_error, "{code}: {}", outcome.text);
    outcome.text
}

/// Evaluates code that must fail, and returns the first line of its error.
pub fn error(console: &Console, code: &str) -> String {
    let outcome = console.evaluate(code);
    assert!(outcome.is_error, "{code}: {}", outcome.text);
    outcome.text.lines().next().unwrap_or_default().to_owned()
}
