//! An eth conversation of a node that neither asks nor announces.

use actoreum_chain::ChainReader;
use actoreum_primitives::{Header, rlp};
use actoreum_wire::eth::{
    BlockOrigin, EthMessage, EthVersion, GetBlockHeaders, LazyList, MessageId, RequestId,
};
use actoreum_wire::limits::{ESTIMATED_HEADER_SIZE, SOFT_RESPONSE_LIMIT};
use actoreum_wire::p2p;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::greeting::{Greeter, send};
use crate::net::protocol::{ConversationEnd, Incoming, Link, ProtocolHandler};

/// Answers what a peer must hear to stay: our status, and headers of our chain. It asks for
/// nothing, and takes announcements and transactions without a reaction.
#[derive(Clone)]
pub struct QuietEth {
    greeter: Greeter,
    reader: ChainReader,
}

impl QuietEth {
    /// For the chain of a reader.
    ///
    /// # Errors
    /// Where the genesis block cannot be read.
    pub fn new(
        reader: ChainReader,
        network_id: u64,
    ) -> Result<Self, actoreum_storage::StorageError> {
        let greeter = Greeter::new(reader.clone(), network_id)?;
        Ok(Self { greeter, reader })
    }

    async fn talk(self, mut link: Link) -> Result<(), ConversationEnd> {
        let version = self.greeter.greet(&mut link).await?.version;
        while let Some(incoming) = link.receive().await {
            if let Some(answer) = self.answer(version, &incoming)? {
                send(&link, version, &answer).await?;
            }
        }
        Ok(())
    }

    fn answer(
        &self,
        version: EthVersion,
        incoming: &Incoming,
    ) -> Result<Option<EthMessage>, ConversationEnd> {
        if incoming.id == MessageId::Status.code() {
            return Err(ConversationEnd::Error("Extra status message".to_owned()));
        }
        let message = EthMessage::decode(version, incoming.id, &incoming.payload)
            .map_err(|error| ConversationEnd::Error(error.to_string()))?;
        Ok(match message {
            EthMessage::GetBlockHeaders(id, request) => Some(self.headers(id, &request)),
            EthMessage::GetBlockBodies(id, _) => {
                Some(EthMessage::BlockBodies(id, LazyList::from_items([])))
            }
            EthMessage::GetReceipts(id, _) => {
                Some(EthMessage::Receipts(id, LazyList::from_items([])))
            }
            EthMessage::GetNodeData(id, _) => {
                Some(EthMessage::NodeData(id, LazyList::from_items([])))
            }
            EthMessage::GetPooledTransactions(id, _) => {
                Some(EthMessage::PooledTransactions(id, LazyList::from_items([])))
            }
            _ => None,
        })
    }

    fn headers(&self, id: RequestId, request: &GetBlockHeaders) -> EthMessage {
        let first = match request.origin {
            BlockOrigin::Number(number) => Some(number),
            BlockOrigin::Hash(hash) => {
                let header = self.reader.header_by_hash(&hash).ok().flatten();
                header.map(|header| header.number)
            }
        };
        let mut headers: Vec<Header> = Vec::new();
        let most = SOFT_RESPONSE_LIMIT / ESTIMATED_HEADER_SIZE;
        for number in first
            .into_iter()
            .flat_map(|it| request.numbers(it))
            .take(most)
        {
            let Ok(Some(header)) = self.reader.header_by_number(number) else {
                break;
            };
            headers.push(Header::clone(&header));
        }
        let encoded: Vec<Vec<u8>> = headers.iter().map(rlp::encode).collect();
        let list = LazyList::from_encoded(encoded.iter().map(Vec::as_slice));
        EthMessage::BlockHeaders(id, list)
    }
}

impl ProtocolHandler for QuietEth {
    fn offered(&self) -> Vec<p2p::Protocol> {
        EthVersion::ALL
            .into_iter()
            .map(EthVersion::protocol)
            .collect()
    }

    fn record_entries(&self) -> Vec<(String, Vec<u8>)> {
        vec![self.greeter.record_entry()]
    }

    fn converse(&self, link: Link) -> LocalBoxFuture<'static, ConversationEnd> {
        let talk = self.clone().talk(link);
        talk.map(|ended| match ended {
            Ok(()) => ConversationEnd::Quit,
            Err(end) => end,
        })
        .boxed_local()
    }
}
