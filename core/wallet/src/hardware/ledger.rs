//! The driver of Ledger devices.

use std::time::Duration;

use actoreum_primitives::{Address, Signature, TxType};

use super::{Driver, SignRequest, WalletError, connection::Connection};
use crate::{
    DerivationPath, Password,
    ledger::{
        Command, Exchange, LedgerError, Step, Version, read_address, read_signature, read_version,
    },
    limits::{ANSWER_TIMEOUT, OWNER_TIMEOUT},
};

/// The version that is assumed if an application does not report its own.
const OLDEST: Version = Version([1, 0, 0]);

/// The driver of a Ledger and of the application that runs on it.
pub(super) struct LedgerDriver {
    connection: Connection,
    /// The version of the Ethereum application; `None` if it is not open.
    version: Option<Version>,
    is_in_browser_mode: bool,
}

impl LedgerDriver {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            version: None,
            is_in_browser_mode: false,
        }
    }

    fn ask(&mut self, command: Command, timeout: Duration) -> Result<Vec<u8>, WalletError> {
        let (mut exchange, mut packets) = Exchange::begin(command);
        loop {
            for packet in &packets {
                self.connection.send(packet)?;
            }
            packets = loop {
                let packet = self.connection.receive(timeout)?;
                match exchange.receive(&packet)? {
                    Step::Wait => {}
                    Step::Send(packets) => break packets,
                    Step::Done(answer) => return Ok(answer),
                }
            };
        }
    }

    fn address(&mut self, path: &DerivationPath) -> Result<Address, WalletError> {
        let answer = self.ask(Command::address(path), ANSWER_TIMEOUT)?;
        Ok(read_address(&answer)?)
    }

    fn ask_version(&mut self) -> Result<Version, WalletError> {
        let answer = self.ask(Command::version(), ANSWER_TIMEOUT)?;
        Ok(read_version(&answer)?)
    }

    /// Returns the version of the application, which may have been opened meanwhile.
    fn online(&mut self) -> Result<Version, WalletError> {
        match self.version {
            Some(version) => Ok(version),
            None => self.ask_version(),
        }
    }
}

impl Driver for LedgerDriver {
    /// Requests the first address, which shows whether the application is open. A Ledger is not
    /// unlocked from here.
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
                // The oldest applications return these errors, too.
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
                // The application needs the hash of a message.
                let message = data.message_hash().ok_or(WalletError::NotSupported)?;
                Command::sign_typed_data(path, data.domain_hash(), message)
            }
        };
        let answer = self.ask(command, OWNER_TIMEOUT)?;
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
