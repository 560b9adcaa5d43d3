//! Attaches to a node: `attach ENDPOINT [CODE]`. With code it prints the result and leaves.
//!
//! The variable `ACTOREUM_CONSOLE_HISTORY` names the file of the history.

use std::process::ExitCode;

use actoreum_console::{Console, Endpoint, Settings};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("Fatal: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let endpoint = arguments.next().ok_or("usage: attach ENDPOINT [CODE]")?;
    let mut settings = Settings::of(Endpoint::parse(&endpoint)?);
    settings.history_file = std::env::var_os("ACTOREUM_CONSOLE_HISTORY").map(Into::into);
    settings.interrupt.at_sigint()?;
    let console = Console::start(&settings)?;
    if let Some(code) = arguments.next() {
        return Ok(console.execute(&code));
    }
    console.welcome();
    console.interact()?;
    Ok(true)
}
