//! When a load is tried again, and when a switch is taken back. Pure.

use std::time::Duration;

use wildwarden_core::config::Rollout;
use wildwarden_core::pipeline::health::Vitals;

/// Wait before the second try.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// How long a version that failed `attempts` times in a row is left alone: twice as long each time.
pub(super) fn backoff(attempts: u32) -> Duration {
    FIRST_WAIT.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1).min(16))).min(LONGEST_WAIT)
}

/// Why a generation should be taken back; `None`: it does well, or too little is known.
pub(super) fn verdict(vitals: Vitals, limits: &Rollout) -> Option<String> {
    let Vitals { listings, failed, p99 } = vitals;
    if listings < limits.min_listings {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "at most a few thousand listings")]
    let percent = 100.0 * failed as f64 / listings.max(1) as f64;
    let most = limits.max_error_percent;
    if most > 0.0 && percent > most {
        let key = "rollout.max_error_percent";
        return Some(format!("{failed} of {listings} listings failed or lacked a model, above {most} % ({key})"));
    }
    if !limits.max_p99.is_zero() && p99 > limits.max_p99 {
        let (p99, most) = (p99.as_millis(), limits.max_p99.as_millis());
        return Some(format!("99 of 100 listings took up to {p99} ms of work, above {most} ms (rollout.max_p99_ms)"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Rollout = Rollout {
        watch: Duration::from_secs(60),
        max_error_percent: 5.0,
        max_p99: Duration::from_millis(200),
        min_listings: 10,
        shadow_in_flight: 1,
    };

    #[test]
    fn waits_double_up_to_five_minutes() {
        let seconds: Vec<u64> = (1..=10).map(|attempts| backoff(attempts).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(backoff(u32::MAX), LONGEST_WAIT);
    }

    #[test]
    fn errors_and_latency_above_the_limits_are_reasons_once_enough_was_seen() {
        let vitals = |listings, failed, ms| Vitals { listings, failed, p99: Duration::from_millis(ms) };
        assert_eq!(verdict(vitals(9, 9, 900), &LIMITS), None, "too few");
        assert_eq!(verdict(vitals(100, 5, 200), &LIMITS), None, "at the limits");
        assert!(verdict(vitals(100, 6, 1), &LIMITS).unwrap().contains("6 of 100"));
        assert!(verdict(vitals(100, 0, 201), &LIMITS).unwrap().contains("max_p99_ms"));
        let off = Rollout { max_error_percent: 0.0, max_p99: Duration::ZERO, ..LIMITS };
        assert_eq!(verdict(vitals(100, 100, 10_000), &off), None, "limits of 0 are off");
    }
}
