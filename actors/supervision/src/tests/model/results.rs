//! The results of sends, requests and starts, as the model names them.

use crate::{AskError, CrashError, StartError, TellError};

pub(super) fn tell_result<M>(result: Result<(), TellError<M>>) -> &'static str {
    match result {
        Ok(()) => "Ok",
        Err(TellError::Full(_)) => "Full",
        Err(TellError::Unavailable(_)) => "Unavailable",
        Err(TellError::Quarantined(_)) => "Quarantined",
    }
}

pub(super) fn ask_result(result: Result<u32, AskError>) -> &'static str {
    match result {
        Ok(_) => "Ok",
        Err(AskError::Full) => "Full",
        Err(AskError::Unavailable) => "Unavailable",
        Err(AskError::Quarantined) => "Quarantined",
        Err(AskError::Dropped) => "Dropped",
        Err(AskError::Expired) => "Expired",
        Err(AskError::Interrupted) => "Interrupted",
        Err(AskError::TimedOut) => "TimedOut",
    }
}

pub(super) fn start_result(result: Result<(), StartError>) -> &'static str {
    match result {
        Ok(()) => "Ok",
        Err(StartError::Failed { .. }) => "Failed",
        Err(StartError::TimedOut { .. }) => "TimedOut",
        Err(StartError::Stopped { .. }) => "Stopped",
        Err(StartError::AlreadyBound { .. }) => "AlreadyBound",
        Err(StartError::NoThread { .. }) => "NoThread",
        Err(StartError::NoRoom { .. }) => "NoRoom",
        Err(StartError::Unavailable { .. }) => "Unavailable",
    }
}

pub(super) fn crash_result(result: Result<(), CrashError>) -> &'static str {
    match result {
        Ok(()) => "Ok",
        Err(CrashError::NoSuchActor) => "NoSuchActor",
        Err(CrashError::Supervisor) => "Supervisor",
        Err(CrashError::Down) => "Down",
        Err(CrashError::Crashing) => "Crashing",
    }
}
