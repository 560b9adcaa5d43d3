//! Limits of the types in typed data, checked before anything expands them. A struct whose members
//! are two of the next struct, and so on, doubles with each line of JSON; readers process brackets
//! and nested structs recursively; all types are hashed for each struct of the message. The check
//! itself takes no longer than reading the JSON.

use std::collections::HashMap;

use serde_json::Value;

use crate::limits::{MAX_TYPE_DEPTH, MAX_TYPE_MEMBERS, MAX_TYPE_NAME_BYTES, MAX_TYPE_WORK};

/// The members of each struct: the names of their types, without brackets.
type Types<'a> = HashMap<&'a str, Vec<&'a str>>;

/// The size of a struct with its nested structs.
#[derive(Debug, Clone, Copy)]
struct Extent {
    members: usize,
    depth: usize,
}

/// Checks the types of typed data against the limits.
///
/// # Errors
/// If a type is too deep, too large, or its name too long. Types of the wrong shape are left to the
/// reader to refuse.
pub(super) fn check(data: &Value) -> Result<(), String> {
    let Some(types) = data.get("types").and_then(Value::as_object) else {
        return Ok(());
    };
    let mut members = Types::new();
    for (name, listed) in types {
        check_name(name)?;
        let mut named = Vec::new();
        for member in listed.as_array().into_iter().flatten() {
            if let Some(of_type) = member.get("type").and_then(Value::as_str) {
                check_name(of_type)?;
                named.push(of_type.split('[').next().unwrap_or(of_type));
            }
        }
        members.insert(name, named);
    }
    if let Some(primary) = data.get("primaryType").and_then(Value::as_str) {
        check_name(primary)?;
    }
    let mut known = HashMap::new();
    for name in members.keys() {
        measure(name, &members, 0, &mut known)?;
    }
    let listed: usize = members.values().map(Vec::len).sum();
    let values = data.get("message").map_or(0, values);
    if values.saturating_mul(listed) > MAX_TYPE_WORK {
        Err(format!(
            "a message of {values} values is too much for types of {listed} members"
        ))
    } else {
        Ok(())
    }
}

/// Returns the number of values in a value, itself included. The JSON reader bounds its depth.
fn values(value: &Value) -> usize {
    let inner: usize = match value {
        Value::Array(elements) => elements.iter().map(values).sum(),
        Value::Object(members) => members.values().map(values).sum(),
        _ => 0,
    };
    inner + 1
}

fn check_name(name: &str) -> Result<(), String> {
    let shown: String = name.chars().take(20).collect();
    if name.len() > MAX_TYPE_NAME_BYTES {
        return Err(format!(
            "the type {shown}… has a name of more than {MAX_TYPE_NAME_BYTES} bytes"
        ));
    }
    if name.contains('(') {
        return Err(format!(
            "the type {shown} is a tuple, which the EIP does not know"
        ));
    }
    if name.matches('[').count() > MAX_TYPE_DEPTH {
        return Err(format!(
            "the type {shown}… has more than {MAX_TYPE_DEPTH} dimensions"
        ));
    }
    Ok(())
}

/// Returns the extent of a struct that is nested `above` levels deep. A cycle exceeds the limit.
fn measure<'a>(
    name: &'a str,
    types: &Types<'a>,
    above: usize,
    known: &mut HashMap<&'a str, Extent>,
) -> Result<Extent, String> {
    let too_deep = || format!("structs are nested more than {MAX_TYPE_DEPTH} deep");
    if above > MAX_TYPE_DEPTH {
        return Err(too_deep());
    }
    if let Some(extent) = known.get(name) {
        return if above + extent.depth > MAX_TYPE_DEPTH {
            Err(too_deep())
        } else {
            Ok(*extent)
        };
    }
    let Some(members) = types.get(name) else {
        return Ok(Extent {
            members: 1,
            depth: 0,
        });
    };
    let mut all = Extent {
        members: 1,
        depth: 0,
    };
    for member in members {
        let inner = measure(member, types, above + 1, known)?;
        all.members += inner.members;
        all.depth = all.depth.max(inner.depth + 1);
        if all.members > MAX_TYPE_MEMBERS {
            return Err(format!(
                "the type {name} has more than {MAX_TYPE_MEMBERS} members, with those of its structs"
            ));
        }
    }
    known.insert(name, all);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::typed_data::TypedData;

    fn error(types: serde_json::Value, primary: &str) -> String {
        let data = json!({"types": types, "primaryType": primary, "domain": {}, "message": {}});
        TypedData::from_json(&data.to_string())
            .unwrap_err()
            .to_string()
    }

    /// Returns a chain of structs, each with `width` members of the next.
    fn chain(length: usize, width: usize) -> serde_json::Value {
        let of = |at: usize| {
            if at + 1 == length {
                "bool".to_owned()
            } else {
                format!("S{}", at + 1)
            }
        };
        let members = |at| {
            let each =
                (0..width).map(|number| json!({"name": format!("m{number}"), "type": of(at)}));
            json!(each.collect::<Vec<_>>())
        };
        (0..length)
            .map(|at| (format!("S{at}"), members(at)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    #[test]
    fn prealloc_doubling_types_are_refused_before_expansion() {
        let error = error(chain(30, 2), "S0");
        assert!(error.contains("has more than 10000 members"), "{error}");
    }

    #[test]
    fn depth_is_bounded_before_recursion() {
        let deep = "structs are nested more than 32 deep";
        for types in [
            chain(50_000, 1),
            json!({"S0": [{"name": "a", "type": "S0"}]}),
            json!({"S0": [{"name": "a", "type": "S1[]"}], "S1": [{"name": "a", "type": "S0"}]}),
        ] {
            let error = error(types, "S0");
            assert!(error.contains(deep), "{error}");
        }
        let brackets = |count: usize| format!("uint8{}", "[]".repeat(count));
        let array = |count| json!({"S0": [{"name": "a", "type": brackets(count)}]});
        assert!(error(array(33), "S0").contains("more than 32 dimensions"));
        assert!(error(array(50_000), "S0").contains("name of more than 1024 bytes"));
        assert!(error(json!({}), &brackets(100)).contains("more than 32 dimensions"));
        let tuple = json!({"S0": [{"name": "a", "type": "((((bool))))"}]});
        assert!(error(tuple, "S0").contains("is a tuple"));
    }

    #[test]
    fn the_work_of_hashing_types_is_bounded() {
        let members = |count| {
            let each = (0..count).map(|at| json!({"name": format!("m{at}"), "type": "bool"}));
            json!(each.collect::<Vec<_>>())
        };
        let read = |listed: usize, elements: usize| {
            let types = json!({
                "Large": members(listed), "Small": [{"name": "none", "type": "Large[]"}],
                "S0": [{"name": "all", "type": "Small[]"}]
            });
            let message = json!({"all": vec![json!({"none": []}); elements]});
            let data =
                json!({"types": types, "primaryType": "S0", "domain": {}, "message": message});
            TypedData::from_json(&data.to_string())
        };
        assert!(read(98, 4_999).is_ok());
        let error = read(98, 5_000).unwrap_err().to_string();
        let want = "a message of 10002 values is too much for types of 100 members";
        assert!(error.contains(want), "{error}");
    }

    #[test]
    fn realistic_typed_data_is_within_the_limits() {
        let types = chain(20, 1);
        let mut message = json!({"m0": true});
        for _ in 1..20 {
            message = json!({"m0": message});
        }
        let data = json!({"types": types, "primaryType": "S0", "domain": {}, "message": message});
        assert!(TypedData::from_json(&data.to_string()).is_ok());
        // A large array dimension allocates nothing.
        let huge = json!({"S0": [{"name": "a", "type": "uint8[4294967295]"}]});
        assert!(error(huge, "S0").contains("invalid typed data"));
    }
}
