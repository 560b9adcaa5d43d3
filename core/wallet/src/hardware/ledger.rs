//! A Ledger that is open.

use std::time::Duration;

use actoreum_primitives::{Address, Signature, TxType};

use super::{Driver, SignRequest, WalletError, line::Line};
use crate::{
    DerivationPath, Password,
    ledger::{
        Command, Exchange, LedgerError, Step, Version, read_address, read_signature, read_version,
    },
    limits::{ANSWER_PATIENCE, OWNER_PATIENCE},
};

/// What an application that does not tell its version may be.
const OLDEST: Version = Version([1, 0, 0]);

/// A Ledger, and the application that runs on it.
pub(super) struct LedgerDriver {
    line: Line,
    /// `None` where the Ethereum application is not open.
    version: Option<Version>,
    is_in_browser_mode: bool,
}

impl LedgerDriver {
    pub(super) fn new(line: Line) -> Self {
        Self {
            line,
            version: None,
            is_in_browser_mode: false,
        }
    }

    fn ask(&mut self, command: Command, patience: Duration) -> Result<Vec<u8>, WalletError> {
        let (mut exchange, mut packets) = Exchange::begin(command);
        loop {
            for packet in &packets {
                self.line.send(packet)?;
            }
            packets = loop {
                let packet = self.line.receive(patience)?;
                match exchange.receive(&packet)? {
                    Step::Wait => {}
                    Step::Send(packets) => break packets,
                    Step::Done(answer) => return Ok(answer),
                }
            };
        }
    }

    fn address(&mut self, path: &DerivationPath) -> Result<Address, WalletError> {
        let answer = self.ask(Command::address(path), ANSWER_PATIENCE)?;
        Ok(read_address(&answer)?)
    }

    fn ask_version(&mut self) -> Result<Version, WalletError> {
        let answer = self.ask(Command::version(), ANSWER_PATIENCE)?;
        Ok(read_version(&answer)?)
    }

    /// The version of the application, which may have been opened since.
    fn online(&mut self) -> Result<Version, WalletError> {
        match self.version {
            Some(version) => Ok(version),
            None => self.ask_version(),
        }
    }
}

impl Driver for LedgerDriver {
    /// Asks for the first address, which tells whether the application is open; there is nothing
    /// to unlock from here.
    fn open(&mut self, _: &Password) -> Result<(), WalletError> {
        match self.address(&DerivationPath::account(0)) {
            Ok(_) => {}
            Err(WalletError::Ledger(LedgerError::InvalidHeader)) => {
                self.is_in_browser_mode = true;
                return Ok(());
            }
            Err(WalletError::Ledger(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
        self.version = match self.ask_version() {
            Ok(version) => Some(version),
            Err(WalletError::Ledger(_)) => Some(OLDEST),
            Err(error) => return Err(error),
        };
        Ok(())
    }

    fn heartbeat(&mut self) -> Result<(), WalletError> {
        match self.ask_version() {
            Ok(version) => {
                self.version = Some(version);
                self.is_in_browser_mode = false;
                Ok(())
            }
            Err(WalletError::Ledger(LedgerError::OtherApplication | LedgerError::Locked)) => {
                // The oldest ones answer so, too.
                if self.version != Some(OLDEST) {
                    self.version = None;
                }
                Ok(())
            }
            Err(error) if error.is_fatal() && !self.is_in_browser_mode => Err(error),
            Err(WalletError::Device(error)) => Err(error.into()),
            Err(_) => Ok(()),
        }
    }

    fn derive(&mut self, path: &DerivationPath) -> Result<Address, WalletError> {
        self.address(path)
    }

    fn sign(
        &mut self,
        path: &DerivationPath,
        signer: Address,
        request: &SignRequest,
    ) -> Result<Signature, WalletError> {
        let version = self.online()?;
        let command = match request {
            SignRequest::Transaction(payload) => {
                let needed = match payload.tx_type() {
                    TxType::Legacy if payload.chain_id().is_none() => OLDEST,
                    TxType::Legacy => Version([1, 0, 3]),
                    TxType::AccessList => Version([1, 7, 1]),
                    TxType::DynamicFee => Version([1, 9, 0]),
                    TxType::Blob | TxType::SetCode => return Err(WalletError::NotSupported),
                };
                version.at_least(needed, "transaction")?;
                Command::sign_transaction(path, &payload.encode_for_signing())
            }
            SignRequest::Message(message) => {
                version.at_least(Version([1, 0, 8]), "message")?;
                Command::sign_message(path, message).ok_or(WalletError::NotSupported)?
            }
            SignRequest::TypedData(data) => {
                version.at_least(Version([1, 5, 0]), "typed data")?;
                // It is told the hash of a message, or nothing.
                let message = data.message_hash().ok_or(WalletError::NotSupported)?;
                Command::sign_typed_data(path, data.domain_hash(), message)
            }
        };
        let answer = self.ask(command, OWNER_PATIENCE)?;
        Ok(read_signature(&answer, request.hash(), signer)?)
    }

    fn status(&self) -> String {
        match self.version {
            _ if self.is_in_browser_mode => "Ethereum app in browser mode".to_owned(),
            None => "Ethereum app offline".to_owned(),
            Some(version) => format!("Ethereum app {version} online"),
        }
    }

    fn failure(&self) -> Option<WalletError> {
        None
    }

    fn is_locked(&self) -> bool {
        false
    }
}
