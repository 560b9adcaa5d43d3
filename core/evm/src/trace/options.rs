//! Options of traces.

use serde::Deserialize;

/// The geth version whose format and conventions a trace follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TraceStyle {
    /// geth 1.8: struct logs hold the whole memory and all changed storage at each step; a call
    /// trace counts gas without the transaction's intrinsic gas.
    Geth18,
    /// geth from 1.10 on.
    #[default]
    Current,
}

/// The second parameter of the `debug_trace*` methods. Unknown fields (`timeout`, `reexec`) are
/// ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TraceOptions {
    /// Name of the tracer; `None` stands for struct logs.
    pub tracer: Option<String>,
    /// Options of the named tracer.
    pub tracer_config: TracerConfig,
    /// Omits the storage from struct logs.
    pub disable_storage: bool,
    /// Omits the stack from struct logs.
    pub disable_stack: bool,
    /// Omits the memory from struct logs (geth up to 1.9).
    pub disable_memory: bool,
    /// Includes the memory in struct logs (geth from 1.10 on). With `None`, [`TraceStyle::Geth18`]
    /// includes it and [`TraceStyle::Current`] does not.
    pub enable_memory: Option<bool>,
    /// Includes the return data of the last call in struct logs.
    pub enable_return_data: bool,
    /// Maximum number of recorded steps; zero stands for all.
    pub limit: usize,
    /// Format of the trace; not part of the request.
    #[serde(skip)]
    pub style: TraceStyle,
}

/// Options of the named tracers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TracerConfig {
    /// `callTracer`: traces only the outermost call.
    pub only_top_call: bool,
    /// `callTracer`: includes the logs of each call.
    pub with_log: bool,
    /// `prestateTracer`: returns the changes, before and after.
    pub diff_mode: bool,
}
