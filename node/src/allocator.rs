//! The global allocator. jemalloc returns memory to the system that the system's own allocator
//! keeps in fragments, and imports blocks faster (`docs/adr/0012-jemalloc.md`).

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static HEAP: Jemalloc = Jemalloc;

/// Options of jemalloc, which reads this C string before `main`, by this name (jemalloc(3),
/// "Tuning"). They set fewer arenas than the default of four per core: each arena keeps its own
/// free pages, and threads seldom contend for one.
// Sound: nothing else in the process has this name, and the type is what jemalloc declares: a
// pointer to bytes that end in zero.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static OPTIONS: &[u8; 10] = b"narenas:4\0";
