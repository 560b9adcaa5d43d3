//! The JavaScript engine with the web3 object. It belongs to one thread.

mod native;
#[cfg(test)]
mod tests;
mod worker;

use std::{
    cell::RefCell,
    io::{self, Write},
    path::{Path, PathBuf},
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rquickjs::{
    CatchResultExt as _, CaughtError, Context, Ctx, Function, Object, Runtime, Symbol, Value,
    context::EvalOptions, object::Property,
};

pub use worker::Worker;

use crate::{
    interrupt::Interrupt,
    limits::{MAX_ENGINE_BYTES, MAX_SCRIPT_STACK_BYTES},
    print,
    repl::SharedHistory,
    transport::Client,
};

/// The JavaScript files of the console, in the order in which they are run. Each is the body of a
/// function of `internal` (what the files share) and `native` (the functions of `native.rs`).
const FILES: [(&str, &str); 11] = [
    ("prelude.js", include_str!("../../js/prelude.js")),
    ("bignumber.js", include_str!("../../js/bignumber.js")),
    ("utils.js", include_str!("../../js/utils.js")),
    ("formatters.js", include_str!("../../js/formatters.js")),
    ("request.js", include_str!("../../js/request.js")),
    ("filter.js", include_str!("../../js/filter.js")),
    ("abi.js", include_str!("../../js/abi.js")),
    ("contract.js", include_str!("../../js/contract.js")),
    ("modules.js", include_str!("../../js/modules.js")),
    ("web3.js", include_str!("../../js/web3.js")),
    ("bridge.js", include_str!("../../js/bridge.js")),
];

/// Text of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The result or the error, as it is printed.
    pub text: String,
    /// Whether the code threw, or was interrupted.
    pub is_error: bool,
}

/// Error of the start of the engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine has no memory, or a file of the console is wrong.
    #[error("the JavaScript engine does not start: {0}")]
    Start(String),
    /// The node does not tell its modules, which is the first request; the wording is geth's.
    #[error("api modules: {0}")]
    Modules(String),
    /// The thread of the engine has ended.
    #[error("the thread of the JavaScript engine has ended")]
    Ended,
}

/// Where scripts print. Clones write to the same place.
#[derive(Clone)]
pub struct Output(Arc<Mutex<dyn Write + Send>>);

impl Output {
    /// Creates an output that writes to `target`.
    pub fn new(target: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(target)))
    }

    /// Creates an output that writes to stdout.
    pub fn stdout() -> Self {
        Self::new(io::stdout())
    }

    /// Writes a line. A closed stdout does not end a script.
    pub fn line(&self, text: &str) {
        let mut target = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(target, "{text}").and_then(|()| target.flush());
    }
}

/// Asks for passwords at the terminal.
pub trait Passwords {
    /// Shows `question` and returns the answer, which is not echoed.
    ///
    /// # Errors
    /// The input has ended, or the user has aborted.
    fn ask(&mut self, question: &str) -> io::Result<String>;
}

/// The outside of the engine, as scripts reach it.
pub struct Host {
    /// Client of the node.
    pub client: RefCell<Client>,
    /// Answer to the first request, `rpc_modules`, in JSON.
    pub modules: String,
    /// The flag that Ctrl-C sets.
    pub interrupt: Interrupt,
    /// Where `console.log` prints.
    pub output: Output,
    /// Where passwords are asked for.
    pub passwords: RefCell<Box<dyn Passwords>>,
    /// Folder of relative paths of scripts.
    pub script_dir: PathBuf,
    /// The history, for `admin.clearHistory`.
    pub history: SharedHistory,
    /// Whether results have colours.
    pub has_colours: bool,
    /// Time from which timers count.
    pub begun: Instant,
}

/// The engine.
pub struct Engine {
    context: Context,
    host: Rc<Host>,
}

impl Engine {
    /// Starts the engine with the web3 object and the modules that the node serves.
    ///
    /// # Errors
    /// The engine has no memory, or a file of the console is wrong.
    pub fn start(host: Host) -> Result<Self, EngineError> {
        let failed = |error: rquickjs::Error| EngineError::Start(error.to_string());
        let runtime = Runtime::new().map_err(failed)?;
        runtime.set_memory_limit(MAX_ENGINE_BYTES);
        runtime.set_max_stack_size(MAX_SCRIPT_STACK_BYTES);
        let interrupt = host.interrupt.clone();
        runtime.set_interrupt_handler(Some(Box::new(move || interrupt.is_set())));
        let context = Context::full(&runtime).map_err(failed)?;
        let host = Rc::new(host);
        context
            .with(|ctx| {
                load(&ctx, &host)
                    .catch(&ctx)
                    .map_err(|error| error.to_string())
            })
            .map_err(EngineError::Start)?;
        Ok(Self { context, host })
    }

    /// Evaluates code and returns its printed result.
    pub fn evaluate(&self, code: &str) -> Outcome {
        self.evaluate_as(code, "<anonymous>")
    }

    /// Evaluates the code of a file, whose name is in the stacks of errors.
    pub fn evaluate_as(&self, code: &str, name: &str) -> Outcome {
        let outcome = self.context.with(|ctx| {
            let result = evaluate(&ctx, code, name)
                .map(|result| print::value(&result, self.host.has_colours));
            self.outcome(&ctx, result)
        });
        self.run_jobs();
        outcome
    }

    fn outcome(&self, ctx: &Ctx<'_>, result: rquickjs::Result<String>) -> Outcome {
        let has_colours = self.host.has_colours;
        // The result of an interrupted getter is undefined: it is not what the user asked for.
        if self.host.interrupt.take() {
            let _ = ctx.catch();
            return Outcome {
                text: print::failure("interrupted", has_colours),
                is_error: true,
            };
        }
        match result {
            Ok(text) => Outcome {
                text,
                is_error: false,
            },
            Err(rquickjs::Error::Exception) => Outcome {
                text: print::thrown(&ctx.catch(), has_colours),
                is_error: true,
            },
            Err(error) => {
                let text = format!("[native] error: {error}");
                Outcome {
                    text: print::failure(&text, has_colours),
                    is_error: true,
                }
            }
        }
    }

    /// Runs the reactions of promises. Their errors are ignored.
    fn run_jobs(&self) {
        while !self.host.interrupt.is_set() && self.context.runtime().is_job_pending() {
            let _ = self.context.runtime().execute_pending_job();
        }
        self.host.interrupt.take();
    }

    /// Returns the names that complete a word such as `eth.get`.
    pub fn complete(&self, word: &str) -> Vec<String> {
        self.call("complete", (word,)).unwrap_or_default()
    }

    /// Returns the lines of the welcome that scripts write.
    pub fn welcome(&self) -> String {
        self.call("welcome", ()).unwrap_or_default()
    }

    /// Runs the timers that are due and returns the time until the next one.
    pub fn run_timers(&self) -> Option<Duration> {
        loop {
            let fired = self.context.with(|ctx| {
                let result = internal(&ctx)
                    .and_then(|it| it.get::<_, Function<'_>>("fireTimer"))
                    .and_then(|it| it.call::<_, bool>(()));
                match result {
                    Ok(has_fired) => has_fired,
                    Err(error) => {
                        let Outcome { text, .. } = self.outcome(&ctx, Err(error));
                        self.host.output.line(&format!("js error: {text}"));
                        true
                    }
                }
            });
            self.run_jobs();
            if !fired || self.host.interrupt.is_set() {
                break;
            }
        }
        let next: f64 = self.call("nextTimer", ())?;
        (next >= 0.0).then(|| Duration::from_secs_f64(next / 1_000.0))
    }

    /// Calls a function that the console's files share. Returns `None` if it fails.
    fn call<A, R>(&self, name: &str, arguments: A) -> Option<R>
    where
        A: for<'js> rquickjs::function::IntoArgs<'js>,
        R: for<'js> rquickjs::FromJs<'js>,
    {
        let called = self.context.with(|ctx| {
            let called = internal(&ctx)
                .and_then(|it| it.get::<_, Function<'_>>(name))
                .and_then(|it| it.call::<_, R>(arguments));
            if called.is_err() {
                let _ = ctx.catch();
            }
            called.ok()
        });
        self.host.interrupt.take();
        called
    }

    /// Returns the path of a script, relative to the folder of scripts.
    pub fn script_path(&self, file: &str) -> PathBuf {
        self.host.script_dir.join(Path::new(file))
    }
}

fn evaluate<'js>(ctx: &Ctx<'js>, code: &str, name: &str) -> rquickjs::Result<Value<'js>> {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.backtrace_barrier = true;
    options.filename = Some(name.to_owned());
    ctx.eval_with_options(code, options)
}

/// Symbol of the property of the global object that holds what the console's files share. Scripts cannot
/// name it by accident, and it is not printed.
const INTERNAL: &str = "actoreum.internal";

fn internal_key<'js>(ctx: &Ctx<'js>) -> rquickjs::Result<Symbol<'js>> {
    let symbols: Object<'js> = ctx.globals().get("Symbol")?;
    let symbol_for: Function<'js> = symbols.get("for")?;
    symbol_for.call((INTERNAL,))
}

fn internal<'js>(ctx: &Ctx<'js>) -> rquickjs::Result<Object<'js>> {
    ctx.globals().get(internal_key(ctx)?)
}

fn load(ctx: &Ctx<'_>, host: &Rc<Host>) -> rquickjs::Result<()> {
    let shared = Object::new(ctx.clone())?;
    let functions = native::functions(ctx, host)?;
    for (name, source) in FILES {
        let code = format!("(function (internal, native) {{'use strict'; {source}\n}})");
        let body: Function<'_> = evaluate(ctx, &code, name)?.get()?;
        body.call::<_, ()>((shared.clone(), functions.clone()))?;
    }
    let property = Property::from(shared.clone());
    ctx.globals().prop(internal_key(ctx)?, property)?;
    let start: Function<'_> = shared.get("start")?;
    start.call(())
}

/// Returns the text of an error that ended the evaluation of a script.
pub fn text_of_error(error: &CaughtError<'_>) -> String {
    match error {
        CaughtError::Exception(exception) => print::thrown(exception.as_value(), false),
        CaughtError::Value(value) => print::thrown(value, false),
        CaughtError::Error(error) => format!("[native] error: {error}"),
    }
}
