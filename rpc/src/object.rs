//! Arguments that are objects: their members, read one by one.

use crate::json::scan::{self, Kind};
use crate::param::{FromParam, ParamError};

/// An argument that is an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object<'a> {
    raw: &'a str,
    /// The struct's name in geth's errors.
    name: &'static str,
}

impl<'a> Object<'a> {
    /// `name` is the struct's name in geth's errors, `ethapi.CallArgs`.
    pub(crate) fn new(raw: &'a str, name: &'static str) -> Result<Self, ParamError> {
        match Kind::of(raw) {
            Kind::Object => Ok(Self { raw, name }),
            other => Err(ParamError::mistyped(other.name(), name)),
        }
    }

    /// The member with this name, in any case, where it is there and not null; the
    /// last one where there are several.
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
