//! What to trace, and how it shall look.

use serde::Deserialize;

/// Which geth's shapes and habits a trace follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TraceStyle {
    /// As geth 1.8: struct logs hold the whole memory and all changed storage at each step, a
    /// call trace counts gas without the transaction's own.
    Geth18,
    /// As geth from 1.10 on.
    #[default]
    Current,
}

/// The second parameter of the `debug_trace*` methods. Fields that are not known (`timeout`,
/// `reexec`) are passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TraceOptions {
    /// The tracer's name; struct logs where it is `None`.
    pub tracer: Option<String>,
    /// The tracer's own options.
    pub tracer_config: TracerConfig,
    /// Struct logs without storage.
    pub disable_storage: bool,
    /// Struct logs without the stack.
    pub disable_stack: bool,
    /// Struct logs without memory: geth up to 1.9.
    pub disable_memory: bool,
    /// Struct logs with memory, or without: geth from 1.10 on. Where it is not said,
    /// [`TraceStyle::Geth18`] has it and [`TraceStyle::Current`] does not.
    pub enable_memory: Option<bool>,
    /// Struct logs with the return data of the last call.
    pub enable_return_data: bool,
    /// The most steps that are noted; all where it is zero.
    pub limit: usize,
    /// The shape; not part of the request.
    #[serde(skip)]
    pub style: TraceStyle,
}

/// Options of the named tracers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TracerConfig {
    /// `callTracer`: the outermost call alone.
    pub only_top_call: bool,
    /// `callTracer`: with the logs of each call.
    pub with_log: bool,
    /// `prestateTracer`: what changed, before and after.
    pub diff_mode: bool,
}
