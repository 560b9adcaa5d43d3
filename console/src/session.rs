//! A console on a node: how it starts, and the ways to use it.

use std::{
    cell::RefCell,
    io::{self, IsTerminal as _},
    path::PathBuf,
    thread,
    time::Instant,
};

use crate::{
    engine::{EngineError, Host, Outcome, Output, Passwords, Worker},
    interrupt::Interrupt,
    limits::INTERRUPT_POLL,
    print,
    repl::{self, SharedHistory, TerminalPasswords},
    transport::{Client, Endpoint},
};

/// Settings of a console.
#[derive(Clone)]
pub struct Settings {
    /// Node to attach to.
    pub endpoint: Endpoint,
    /// Folder of relative paths of scripts (`--jspath`).
    pub script_dir: PathBuf,
    /// Scripts that run at the start (`--preload`).
    pub preload: Vec<String>,
    /// File of the history; `None` keeps it in memory.
    pub history_file: Option<PathBuf>,
    /// Where results and `console.log` are printed.
    pub output: Output,
    /// Whether results have colours.
    pub has_colours: bool,
    /// The flag that ends scripts; the caller decides which signal sets it.
    pub interrupt: Interrupt,
    /// Creates the prompter for passwords on the engine's thread.
    pub passwords: fn(Interrupt) -> Box<dyn Passwords>,
}

impl Settings {
    /// Returns settings with geth's defaults: scripts of the working directory, no preloads, no history
    /// file, stdout, and colours if that is a terminal.
    pub fn of(endpoint: Endpoint) -> Self {
        let is_dumb = std::env::var("TERM").is_ok_and(|it| it == "dumb");
        Self {
            endpoint,
            script_dir: PathBuf::from("."),
            preload: Vec::new(),
            history_file: None,
            output: Output::stdout(),
            has_colours: io::stdout().is_terminal() && !is_dumb,
            interrupt: Interrupt::default(),
            passwords: |interrupt| Box::new(TerminalPasswords::new(interrupt)),
        }
    }
}

/// Error of a console.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The engine does not start, or the node cannot be asked.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A script of `--preload`, or of the command `js`, failed.
    #[error("{file}: {text}")]
    Script {
        /// Name of the file, as it was given.
        file: String,
        /// Error of the script, or of reading it.
        text: String,
    },
    /// The terminal fails.
    #[error("the terminal fails: {0}")]
    Terminal(#[from] io::Error),
}

/// A console on a node.
pub struct Console {
    worker: Worker,
    output: Output,
    history: SharedHistory,
    interrupt: Interrupt,
    modules: String,
}

impl Console {
    /// Attaches to the node, creates the web3 object and runs the preloads.
    ///
    /// # Errors
    /// The node cannot be reached, or a preload fails.
    pub fn start(settings: &Settings) -> Result<Self, ConsoleError> {
        let history = settings
            .history_file
            .as_deref()
            .map_or_else(SharedHistory::default, SharedHistory::load);
        let mut client = Client::new(settings.endpoint.clone(), settings.interrupt.clone());
        let modules = client
            .call("rpc_modules", "[]")
            .map_err(|error| EngineError::Modules(error.to_string()))?;
        let listed = listed(&modules);
        let (wanted, shared) = (settings.clone(), history.clone());
        let worker = Worker::start(move || {
            Ok(Host {
                client: RefCell::new(client),
                modules,
                passwords: RefCell::new((wanted.passwords)(wanted.interrupt.clone())),
                interrupt: wanted.interrupt,
                output: wanted.output,
                script_dir: wanted.script_dir,
                history: shared,
                has_colours: wanted.has_colours,
                begun: Instant::now(),
            })
        })?;
        let console = Self {
            worker,
            output: settings.output.clone(),
            history,
            interrupt: settings.interrupt.clone(),
            modules: listed,
        };
        for file in &settings.preload {
            console.run_file(file)?;
        }
        Ok(console)
    }

    /// Evaluates code and returns its text, which is not printed.
    pub fn evaluate(&self, code: &str) -> Outcome {
        self.worker.evaluate(code.to_owned())
    }

    /// Evaluates code and prints its text (`--exec`). Returns false if it threw.
    pub fn execute(&self, code: &str) -> bool {
        let outcome = self.evaluate(code);
        self.output.line(&outcome.text);
        !outcome.is_error
    }

    /// Runs a script.
    ///
    /// # Errors
    /// The file cannot be read, or the script throws.
    pub fn run_file(&self, file: &str) -> Result<(), ConsoleError> {
        let outcome = self.worker.run_file(file.to_owned());
        if outcome.is_error {
            return Err(ConsoleError::Script {
                file: file.to_owned(),
                text: outcome.text.trim_end().to_owned(),
            });
        }
        Ok(())
    }

    /// Waits until no timer of a script is left, or until an interrupt.
    pub fn wait_for_timers(&self) {
        while !self.interrupt.is_set() && self.worker.has_timers() {
            thread::sleep(INTERRUPT_POLL);
        }
    }

    /// Prints the welcome.
    pub fn welcome(&self) {
        self.output
            .line("Welcome to the Actoreum JavaScript console!\n");
        let lines = self.worker.welcome();
        if !lines.is_empty() {
            self.output.line(&print::without_controls(&lines));
        }
        let modules = print::without_controls(&self.modules);
        self.output.line(&format!(" modules: {modules}\n"));
    }

    /// Shows the prompt until the user leaves.
    ///
    /// # Errors
    /// The terminal fails.
    pub fn interact(&self) -> Result<(), ConsoleError> {
        repl::run(&self.worker, &self.output, &self.history, &self.interrupt)?;
        Ok(())
    }
}

/// Returns the modules of an answer to `rpc_modules` as `admin:1.0 eth:1.0`, sorted.
fn listed(modules: &str) -> String {
    let parsed: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(modules).unwrap_or_default();
    let mut names: Vec<String> = parsed
        .iter()
        .map(|(name, version)| format!("{name}:{}", version.as_str().unwrap_or_default()))
        .collect();
    names.sort();
    names.join(" ")
}
