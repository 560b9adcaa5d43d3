//! The `rpc` namespace: `rpc_modules` and `rpc.discover`, which list what a transport offers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::server::json::Raw;
use crate::server::method::{Method, ParamInfo};

/// Returns the two methods of this namespace. They list `offered` and themselves.
pub(crate) fn methods<'a, C: Send + Sync + 'static>(
    offered: impl Iterator<Item = &'a Arc<Method<C>>>,
) -> Vec<Method<C>> {
    let mut offered: Vec<&Method<C>> = offered.map(Arc::as_ref).collect();
    offered.sort_by_key(|method| method.name);
    let modules: BTreeMap<&str, &str> = offered
        .iter()
        .map(|method| (method.namespace(), "1.0"))
        .chain([("rpc", "1.0")])
        .collect();
    let modules = json!(modules).to_string();
    let document = openrpc(&offered).to_string();
    vec![
        Method::view("rpc_modules", &[], move |_: &C, ()| {
            Ok(Raw(modules.clone()))
        }),
        Method::view("rpc.discover", &[], move |_: &C, ()| {
            Ok(Raw(document.clone()))
        }),
    ]
}

/// Builds the OpenRPC document of `offered`.
fn openrpc<C>(offered: &[&Method<C>]) -> Value {
    let themselves = ["rpc.discover", "rpc_modules"].map(|name| describe(name, "rpc", &[]));
    let methods: Vec<Value> = offered
        .iter()
        .map(|method| describe(method.name, method.namespace(), &method.params))
        .chain(themselves)
        .collect();
    json!({
        "openrpc": "1.2.6",
        "info": { "title": "Actoreum JSON-RPC", "version": env!("CARGO_PKG_VERSION") },
        "methods": methods,
    })
}

/// Builds the OpenRPC description of one method.
fn describe(name: &str, namespace: &str, params: &[ParamInfo]) -> Value {
    let params: Vec<Value> = params
        .iter()
        .map(|param| {
            let schema: Value = serde_json::from_str(param.schema)
                .expect("because schemas are constants that a test reads");
            json!({ "name": param.name, "required": param.required, "schema": schema })
        })
        .collect();
    json!({
        "name": name,
        "tags": [{ "name": namespace }],
        "params": params,
        "result": { "name": "result", "schema": {} },
    })
}
