//! Arguments that are JSON objects, read member by member.

use crate::server::json::scan::{self, Kind};
use crate::server::param::{FromParam, ParamError};

/// An argument that is a JSON object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object<'a> {
    raw: &'a str,
    /// The name of the Go struct in geth's errors.
    name: &'static str,
}

impl<'a> Object<'a> {
    /// Wraps an argument. `name` is the name of the Go struct in geth's errors, such as
    /// `ethapi.CallArgs`.
    ///
    /// # Errors
    /// Fails if `raw` is not an object.
    pub(crate) fn new(raw: &'a str, name: &'static str) -> Result<Self, ParamError> {
        match Kind::of(raw) {
            Kind::Object => Ok(Self { raw, name }),
            other => Err(ParamError::mistyped(other.name(), name)),
        }
    }

    /// Reads the member `name`, whose case is ignored. Returns `None` if the member is absent or
    /// null; of several members with this name the last one counts.
    pub(crate) fn get<T: FromParam>(&self, name: &str) -> Result<Option<T>, ParamError> {
        let named = |(key, value): (std::borrow::Cow<'a, str>, &'a str)| {
            key.eq_ignore_ascii_case(name).then_some(value)
        };
        match scan::members(self.raw).filter_map(named).last() {
            None | Some("null") => Ok(None),
            Some(value) => {
                let object = self.name.rsplit('.').next().unwrap_or(self.name);
                T::from_raw(value)
                    .map(Some)
                    .map_err(|error| error.in_field(object, name))
            }
        }
    }
}
