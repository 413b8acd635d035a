//! Memory of this process: reads it, and gives freed memory back. The only file with `unsafe`: `tests/architecture.rs` keeps it so.

/// Asks glibc for the pages that freed models leave behind in its arenas: without it a process keeps its peak for ever.
/// Elsewhere it does nothing. It stops allocation for a moment, so it is called when a model was freed, not in a request.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "glibc's malloc_trim has no safe wrapper")]
        // SAFETY: `malloc_trim` may be called at any time from any thread; it touches only free memory.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

/// Resident memory of this process, where the system tells it (Linux).
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
