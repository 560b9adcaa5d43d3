//! The driver of Trezor devices.

use std::time::Duration;

use actoreum_primitives::{Address, Signature, U256};

use super::{Driver, SignRequest, WalletError, connection::Connection};
use crate::{
    DerivationPath, Password, TypedData,
    limits::{ANSWER_TIMEOUT, MAX_BUTTON_REQUESTS, MAX_PART_REQUESTS, OWNER_TIMEOUT},
    signing,
    trezor::{
        Assembly, Features, MAX_DATA_CHUNK, Message, Reply, Request, TrezorError, TxRequest,
        sign_transaction,
    },
};

/// The first major firmware version that hashes typed data on the device; the first model's
/// firmware has major version 1.
const FIRST_HASHING_VERSION: u64 = 2;

/// The secret that the device waits for while it is being opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secret {
    Pin,
    Passphrase,
}

/// The driver of a Trezor and its session.
pub(super) struct TrezorDriver {
    connection: Connection,
    /// The device's features, once it has reported them.
    features: Option<Features>,
    pending_secret: Option<Secret>,
    /// Whether the device locked itself after it was opened.
    is_locked: bool,
    failure: Option<TrezorError>,
}

impl TrezorDriver {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            features: None,
            pending_secret: None,
            is_locked: false,
            failure: None,
        }
    }

    fn send(&mut self, message: &Message) -> Result<(), WalletError> {
        Ok(message.send(|packet| self.connection.send(packet))?)
    }

    fn receive(&mut self, timeout: Duration) -> Result<Reply, WalletError> {
        let mut assembly = Assembly::default();
        loop {
            let packet = self.connection.receive(timeout)?;
            if let Some(message) = assembly.push(&packet)? {
                return Ok(Reply::decode(&message)?);
            }
        }
    }

    /// Sends a message, confirms button requests, and returns the reply after them.
    fn call(&mut self, message: &Message, timeout: Duration) -> Result<Reply, WalletError> {
        self.send(message)?;
        let mut reply = self.receive(timeout)?;
        for _ in 0..MAX_BUTTON_REQUESTS {
            if reply != Reply::ButtonRequest {
                return Ok(reply);
            }
            self.send(&Request::ButtonAck.encode())?;
            reply = self.receive(OWNER_TIMEOUT)?;
        }
        Err(TrezorError::TooManyRequests.into())
    }

    /// Calls the device like [`call`](Self::call), once the wallet is open. A device that has
    /// locked itself requests its PIN first, which is unknown here: then the request is cancelled.
    fn ask(&mut self, message: &Message, timeout: Duration) -> Result<Reply, WalletError> {
        self.check_open()?;
        let reply = self.call(message, timeout)?;
        let needed = match reply {
            Reply::PinMatrixRequest => TrezorError::PinNeeded,
            Reply::PassphraseRequest => TrezorError::PassphraseNeeded,
            reply => return Ok(reply),
        };
        self.is_locked = true;
        match self.call(&Request::Cancel.encode(), ANSWER_TIMEOUT) {
            Err(WalletError::Trezor(TrezorError::Refused(_) | TrezorError::Failure(_))) | Ok(_) => {
                Err(needed.into())
            }
            Err(error) => Err(error),
        }
    }

    /// Returns an error if the device waits for a secret: another message would cancel that wait.
    fn check_open(&self) -> Result<(), TrezorError> {
        match self.pending_secret {
            Some(Secret::Passphrase) => Err(TrezorError::PassphraseNeeded),
            Some(Secret::Pin) => Err(TrezorError::PinNeeded),
            None if self.is_locked => Err(TrezorError::PinNeeded),
            None => Ok(()),
        }
    }

    fn next_step(&mut self, secret: &Password) -> Result<Message, WalletError> {
        match self.pending_secret.take() {
            Some(Secret::Passphrase) => return Ok(Request::PassphraseAck(secret).encode()),
            Some(Secret::Pin) if secret.as_bytes().is_empty() => {
                self.pending_secret = Some(Secret::Pin);
                return Err(TrezorError::PinNeeded.into());
            }
            Some(Secret::Pin) => return Ok(Request::PinMatrixAck(secret).encode()),
            None => {}
        }
        // A second initialization would make the device forget the passphrase.
        if self.features.is_none() {
            match self.call(&Request::Initialize.encode(), ANSWER_TIMEOUT)? {
                Reply::Features(features) => self.features = Some(features),
                other => return Err(unexpected("Features", &other)),
            }
        }
        // Every firmware requires PIN and passphrase before it returns an address.
        Ok(Request::GetAddress(&DerivationPath::account(0)).encode())
    }

    fn sign_transaction(
        &mut self,
        request: &Message,
        mut rest: &[u8],
    ) -> Result<(U256, U256), WalletError> {
        let mut reply = self.ask(request, OWNER_TIMEOUT)?;
        loop {
            let more = match reply {
                Reply::TxRequest(TxRequest::More(more)) => more,
                Reply::TxRequest(TxRequest::Signature(r, s)) => {
                    return Ok((U256::from_be_slice(&r), U256::from_be_slice(&s)));
                }
                other => return Err(unexpected("EthereumTxRequest", &other)),
            };
            let too_much = TrezorError::Malformed("it asks for more input than there is");
            let (chunk, left) = rest.split_at_checked(more).ok_or(too_much)?;
            rest = left;
            reply = self.ask(&Request::TxAck(chunk).encode(), OWNER_TIMEOUT)?;
        }
    }

    /// Signs typed data: by its hashes on the first model; other devices request every part.
    fn sign_typed_data(
        &mut self,
        path: &DerivationPath,
        data: &TypedData,
    ) -> Result<(U256, U256), WalletError> {
        let features = self.features.as_ref();
        if features.is_some_and(|features| features.version[0] < FIRST_HASHING_VERSION) {
            let (domain, message) = (data.domain_hash(), data.message_hash());
            return self.sign_other(Request::SignTypedHash(path, domain, message));
        }
        let request = Request::SignTypedData(path, data.primary_type());
        let mut reply = self.ask(&request.encode(), OWNER_TIMEOUT)?;
        for _ in 0..MAX_PART_REQUESTS {
            let part = match reply {
                Reply::PartRequest(part) => part,
                other => return signature_of("EthereumTypedDataSignature", other),
            };
            let part_message = match part.of(data) {
                Ok(part_message) => part_message,
                Err(error) => {
                    // The device would keep waiting for the part otherwise.
                    let _ = self.call(&Request::Cancel.encode(), ANSWER_TIMEOUT);
                    return Err(error.into());
                }
            };
            reply = self.ask(&part_message, OWNER_TIMEOUT)?;
        }
        Err(TrezorError::TooManyRequests.into())
    }

    fn sign_other(&mut self, request: Request<'_>) -> Result<(U256, U256), WalletError> {
        let reply = self.ask(&request.encode(), OWNER_TIMEOUT)?;
        signature_of("EthereumMessageSignature", reply)
    }
}

/// Returns r and s of a reply that has to be a signature.
fn signature_of(expected: &'static str, reply: Reply) -> Result<(U256, U256), WalletError> {
    match reply {
        Reply::Signature(bytes) => {
            let (r, s) = bytes[..64].split_at(32);
            Ok((U256::from_be_slice(r), U256::from_be_slice(s)))
        }
        other => Err(unexpected(expected, &other)),
    }
}

fn unexpected(expected: &'static str, reply: &Reply) -> WalletError {
    let got = reply.name();
    TrezorError::Unexpected { expected, got }.into()
}

impl Driver for TrezorDriver {
    /// The first call, with an empty secret, makes the device show its PIN matrix; the next call
    /// takes the PIN, and one more the passphrase.
    fn open(&mut self, secret: &Password) -> Result<(), WalletError> {
        let step = self.next_step(secret)?;
        self.failure = None;
        match self.call(&step, ANSWER_TIMEOUT) {
            Ok(Reply::Address(_)) => {
                self.is_locked = false;
                Ok(())
            }
            Ok(Reply::PinMatrixRequest) => {
                self.pending_secret = Some(Secret::Pin);
                Err(TrezorError::PinNeeded.into())
            }
            Ok(Reply::PassphraseRequest) => {
                self.pending_secret = Some(Secret::Passphrase);
                Err(TrezorError::PassphraseNeeded.into())
            }
            Ok(other) => Err(unexpected("EthereumAddress", &other)),
            Err(WalletError::Trezor(error)) => {
                self.failure = Some(error.clone());
                Err(error.into())
            }
            Err(error) => Err(error),
        }
    }

    fn heartbeat(&mut self) -> Result<(), WalletError> {
        if self.check_open().is_err() {
            return Ok(());
        }
        match self.ask(&Request::Ping.encode(), ANSWER_TIMEOUT) {
            Ok(Reply::Success) => Ok(()),
            Ok(other) => Err(unexpected("Success", &other)),
            Err(error) if error.is_fatal() => Err(error),
            // The device is busy, and said so.
            Err(_) => Ok(()),
        }
    }

    fn derive(&mut self, path: &DerivationPath) -> Result<Address, WalletError> {
        match self.ask(&Request::GetAddress(path).encode(), ANSWER_TIMEOUT)? {
            Reply::Address(address) => Ok(address),
            other => Err(unexpected("EthereumAddress", &other)),
        }
    }

    fn sign(
        &mut self,
        path: &DerivationPath,
        signer: Address,
        request: &SignRequest,
    ) -> Result<Signature, WalletError> {
        let (r, s) = match request {
            SignRequest::Transaction(payload) => {
                let message = sign_transaction(path, payload).ok_or(WalletError::NotSupported)?;
                let rest = payload.input().get(MAX_DATA_CHUNK..).unwrap_or_default();
                self.sign_transaction(&message, rest)?
            }
            SignRequest::Message(message) => {
                self.sign_other(Request::SignMessage(path, message))?
            }
            SignRequest::TypedData(data) => self.sign_typed_data(path, data)?,
        };
        signing::signature_by(signer, request.hash(), r, s).ok_or(TrezorError::WrongSigner.into())
    }

    fn status(&self) -> String {
        if let Some(failure) = &self.failure {
            return format!("Failed: {failure}");
        }
        let Some(Features { version, label }) = &self.features else {
            return "Closed".to_owned();
        };
        let state = match self.check_open() {
            Ok(()) => "online",
            Err(TrezorError::PassphraseNeeded) => "waiting for passphrase",
            Err(_) => "waiting for PIN",
        };
        let [major, minor, patch] = version;
        format!("Trezor v{major}.{minor}.{patch} '{label}' {state}")
    }

    fn failure(&self) -> Option<WalletError> {
        self.failure.clone().map(WalletError::from)
    }

    fn is_locked(&self) -> bool {
        self.is_locked
    }
}
