//! `eth_subscribe` and `eth_unsubscribe`: notifications on a connection.

use actoreum_messages::filter::{FilterId, Subscribe, Topic, Unsubscribe};

use super::filter::{LogFilter, parse_id};
use super::filters::log_range;
use crate::error::{METHOD_NOT_FOUND, RpcError, truncate};
use crate::node::Node;
use crate::server::connection::caller::Caller;
use crate::server::limits::MAX_ECHOED_NAME;
use crate::server::method::Method;
use crate::server::param::{FromParam, ParamError};

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::connection("eth_subscribe", &["topic", "filter"], subscribe),
        Method::connection("eth_unsubscribe", &["subscription"], unsubscribe),
    ]
}

/// The raw second argument, whose meaning depends on the first.
struct Detail(String);

impl FromParam for Detail {
    const SCHEMA: &'static str = r#"{"oneOf":[{"type":"object"},{"type":"boolean"}]}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        Ok(Self(raw.to_owned()))
    }
}

fn subscribe(
    node: &Node,
    caller: &Caller,
    (name, detail): (String, Option<Detail>),
) -> Result<String, RpcError> {
    let topic = match name.as_str() {
        "newHeads" => Topic::Heads,
        "logs" => {
            let filter = match &detail {
                Some(Detail(raw)) => LogFilter::from_raw(raw).map_err(|error| {
                    RpcError::invalid_params(format!("invalid argument 1: {error}"))
                })?,
                None => LogFilter::default(),
            };
            Topic::Logs(log_range(node, &filter)?)
        }
        "newPendingTransactions" => match &detail {
            Some(Detail(raw)) if raw == "true" => Topic::FullTransactions,
            _ => Topic::Transactions,
        },
        "syncing" => Topic::Syncing,
        other => {
            let shown = truncate(other, MAX_ECHOED_NAME);
            return Err(RpcError::new(
                METHOD_NOT_FOUND,
                format!("The method eth_{shown} does not exist/is not available"),
            ));
        }
    };
    let filters = node.filters.clone();
    let id = FilterId(rand::random());
    let ending = filters.clone();
    caller.subscribe(
        id,
        move |subscriber| {
            let message = Subscribe {
                id,
                topic,
                subscriber,
            };
            filters.tell(message).is_ok()
        },
        move || {
            // If FilterActor is down, the subscription has ended with it.
            let _ = ending.tell(Unsubscribe { id });
        },
    )?;
    Ok(id.to_string())
}

/// Ends a subscription of this connection, of any namespace.
pub(crate) fn unsubscribe(_: &Node, caller: &Caller, (id,): (String,)) -> Result<bool, RpcError> {
    let found = parse_id(&id).is_some_and(|id| caller.unsubscribe(id));
    if found {
        Ok(true)
    } else {
        Err(RpcError::server("subscription not found"))
    }
}
