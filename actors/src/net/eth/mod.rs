//! The eth protocol, as far as it goes without a synchronisation: who we are, and our headers.

mod greeting;
mod quiet;

pub use greeting::{Greeter, Greeting};
pub use quiet::QuietEth;
