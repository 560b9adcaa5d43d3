//! The heap. jemalloc gives back what the system's allocator keeps in pieces, and is quicker at an
//! import (`docs/adr/0012-jemalloc.md`).

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static HEAP: Jemalloc = Jemalloc;

/// Fewer arenas than the four a core that jemalloc makes by itself: each keeps its own free pages,
/// and threads seldom meet in one. jemalloc reads this C string before `main`, by this name
/// (jemalloc(3), "Tuning").
// Sound: nothing else in the process has this name, and the type is what jemalloc declares: a
// pointer to bytes that end in zero.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static OPTIONS: &[u8; 10] = b"narenas:4\0";
