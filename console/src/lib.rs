//! The JavaScript console: a client of a node's JSON-RPC with geth's `web3` object.
//!
//! ```text
//!   terminal ----> repl: lines, history, completion        main thread
//!                    |  code                  ^ text
//!                    v                        |
//!                  engine: QuickJS, web3, timers           thread "console"
//!                    |  method, parameters    ^ answer
//!                    v                        |
//!                  transport: IPC, HTTP, WebSocket         thread "json-rpc"
//! ```
//!
//! The web3 object is synchronous: a getter such as `eth.blockNumber` blocks the engine until the node
//! has answered. The engine therefore has a thread of its own. A request has one, too, so that an
//! interrupt (Ctrl-C) ends the wait for an answer whatever the transport does.
//!
//! The crate knows nothing of the node. Results are printed as geth 1.8 prints them.
//!
//! ```no_run
//! use actoreum_console::{Console, Endpoint, Settings};
//!
//! let endpoint = Endpoint::parse("/data/geth.ipc").expect("because it is a path");
//! let console = Console::start(&Settings::of(endpoint)).expect("because a node listens there");
//! assert_eq!(console.evaluate("1 + 1").text, "2");
//! ```

mod engine;
mod interrupt;
mod limits;
mod print;
mod repl;
mod session;
mod transport;

pub use engine::{EngineError, Outcome, Output, Passwords};
pub use interrupt::Interrupt;
pub use repl::{TerminalModes, restore_terminal_at_signals};
pub use session::{Console, ConsoleError, Settings};
pub use transport::{CallError, Client, Endpoint, EndpointError, TransportError};
