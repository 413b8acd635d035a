//! What the client itself costs: it may share its cores with the server.

use std::time::Duration;

/// Ticks a second in `/proc`, fixed by the kernel's interface to programs (`USER_HZ`).
const TICKS: f64 = 100.0;

/// CPU time of this process so far, user and system, all threads. `None` where there is no `/proc`.
pub fn used() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in parentheses, which may hold blanks; times are fields 14 and 15.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_whitespace().skip(11);
    let mut ticks = || times.next()?.parse::<f64>().ok();
    Duration::try_from_secs_f64((ticks()? + ticks()?) / TICKS).ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn work_uses_cpu_time() {
        let before = used().unwrap();
        let sum = (0..200_000_000_u64).fold(0, |sum: u64, n| std::hint::black_box(sum.wrapping_add(n)));
        let cost = used().unwrap() - before;
        assert!(sum > 0 && cost > Duration::from_millis(20) && cost < Duration::from_secs(600), "{cost:?}");
    }
}
