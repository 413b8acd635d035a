//! Gives freed memory back to the system. The only file with `unsafe`: `tests/architecture.rs` keeps it so.

/// Asks glibc for the pages that freed models leave behind in its arenas: without it a process keeps its peak for ever.
/// Elsewhere it does nothing. It stops allocation for a moment, so it is called when a model was freed, not in a request.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "glibc's malloc_trim has no safe wrapper")]
        // SAFETY: `malloc_trim` may be called at any time from any thread; it touches only free memory.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}
