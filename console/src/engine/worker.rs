//! The thread of the engine.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

use super::{Engine, EngineError, Host, Outcome, native::read_script};
use crate::limits::ENGINE_STACK_BYTES;

/// Work for the engine, with the place for its result.
enum Job {
    Evaluate(String, Sender<Outcome>),
    RunFile(String, Sender<Outcome>),
    Complete(String, Sender<Vec<String>>),
    Welcome(Sender<String>),
    HasTimers(Sender<bool>),
}

/// Handle of the thread that owns the engine. Between evaluations the thread runs the timers of
/// scripts. It ends with the last handle.
#[derive(Clone)]
pub struct Worker {
    jobs: Sender<Job>,
}

impl Worker {
    /// Starts the thread, whose host `make` creates there.
    ///
    /// # Errors
    /// The engine does not start, or the node does not tell its modules.
    pub fn start(
        make: impl FnOnce() -> Result<Host, EngineError> + Send + 'static,
    ) -> Result<Self, EngineError> {
        let (jobs, incoming) = channel();
        let (started, start) = channel();
        let run = move || match make().and_then(Engine::start) {
            Ok(engine) => {
                let _ = started.send(Ok(()));
                serve(&engine, &incoming);
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        };
        thread::Builder::new()
            .name("console".into())
            .stack_size(ENGINE_STACK_BYTES)
            .spawn(run)
            .map_err(|error| EngineError::Start(error.to_string()))?;
        start.recv().map_err(|_| EngineError::Ended)??;
        Ok(Self { jobs })
    }

    /// Evaluates code.
    pub fn evaluate(&self, code: String) -> Outcome {
        self.ask(|reply| Job::Evaluate(code, reply))
            .unwrap_or_else(ended)
    }

    /// Runs a file, relative to the folder of scripts. The result of a success has no text.
    pub fn run_file(&self, file: String) -> Outcome {
        self.ask(|reply| Job::RunFile(file, reply))
            .unwrap_or_else(ended)
    }

    /// Returns the names that complete a word, or none after `timeout`.
    pub fn complete(&self, word: &str, timeout: Duration) -> Vec<String> {
        let (reply, answer) = channel();
        if self
            .jobs
            .send(Job::Complete(word.to_owned(), reply))
            .is_err()
        {
            return Vec::new();
        }
        answer.recv_timeout(timeout).unwrap_or_default()
    }

    /// Returns the lines of the welcome.
    pub fn welcome(&self) -> String {
        self.ask(Job::Welcome).unwrap_or_default()
    }

    /// Returns true while a timer of a script is left.
    pub fn has_timers(&self) -> bool {
        self.ask(Job::HasTimers).unwrap_or(false)
    }

    fn ask<R>(&self, job: impl FnOnce(Sender<R>) -> Job) -> Option<R> {
        let (reply, answer) = channel();
        self.jobs.send(job(reply)).ok()?;
        answer.recv().ok()
    }
}

fn ended() -> Outcome {
    Outcome {
        text: EngineError::Ended.to_string(),
        is_error: true,
    }
}

fn serve(engine: &Engine, jobs: &Receiver<Job>) {
    loop {
        let next_timer = engine.run_timers();
        let job = match next_timer {
            Some(left) => jobs.recv_timeout(left),
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        // A caller that has given up gets no result.
        let _ = match job {
            Ok(Job::Evaluate(code, reply)) => reply.send(engine.evaluate(&code)).is_ok(),
            Ok(Job::RunFile(file, reply)) => reply.send(run_file(engine, &file)).is_ok(),
            Ok(Job::Complete(word, reply)) => reply.send(engine.complete(&word)).is_ok(),
            Ok(Job::Welcome(reply)) => reply.send(engine.welcome()).is_ok(),
            Ok(Job::HasTimers(reply)) => reply.send(next_timer.is_some()).is_ok(),
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => return,
        };
    }
}

fn run_file(engine: &Engine, file: &str) -> Outcome {
    let path = engine.script_path(file);
    match read_script(&path) {
        Ok(code) => {
            let outcome = engine.evaluate_as(&code, &path.to_string_lossy());
            let text = if outcome.is_error {
                outcome.text
            } else {
                String::new()
            };
            Outcome {
                text,
                is_error: outcome.is_error,
            }
        }
        Err(error) => Outcome {
            text: error.to_string(),
            is_error: true,
        },
    }
}
