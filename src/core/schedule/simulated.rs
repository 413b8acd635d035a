//! Admission, simulated: offered loads from half to twenty times what the workers can do, deadlines from a tenth of a second to half a
//! minute. Time is virtual, so the outcome depends on no machine.

use std::time::Duration;

use super::job::Priority;
use super::policy::{Outlook, Patience, foresees};

const WORKERS: usize = 2;
const MEAN: Duration = Duration::from_millis(10);
const PATIENCE: Patience = Patience { interactive: Duration::from_millis(100), bulk: Duration::from_secs(5) };
const ARRIVALS: u32 = 20_000;

/// Numbers in 0 to 1, in an order that repeats after longer than is looked at.
struct Random(u64);

impl Random {
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What became of the arrivals.
#[derive(Debug)]
struct Outcome {
    /// Answers within the deadline, over what the workers can do in the time.
    goodput: f64,
    /// Of those that were accepted, the share that came too late.
    late: f64,
    /// Of all, the share that was refused.
    refused: f64,
    /// The longest wait of one that was accepted.
    longest: Duration,
}

#[expect(clippy::cast_precision_loss, reason = "counts")]
fn simulate(load: f64, deadline: Option<Duration>) -> Outcome {
    let mut random = Random(7);
    let mean = MEAN.as_secs_f64();
    let capacity = WORKERS as f64 / mean;
    let (mut now, mut free) = (0.0, [0.0_f64; WORKERS]);
    // Start of each job that waits.
    let mut waiting: Vec<f64> = Vec::new();
    let (mut good, mut accepted, mut longest) = (0_u32, 0_u32, 0.0_f64);
    for _ in 0..ARRIVALS {
        now += -(1.0 - random.unit()).ln() / (capacity * load);
        waiting.retain(|start| *start > now);
        let all = MEAN * u32::try_from(waiting.len()).unwrap();
        let outlook = Outlook { all, own: all, new: MEAN, jobs: 1, shares: 1.0, workers: WORKERS };
        if foresees(outlook, Priority::Interactive, deadline, PATIENCE).is_err() {
            continue;
        }
        accepted += 1;
        // What a job really takes is known afterwards only.
        let takes = mean * (0.4 + 1.2 * random.unit());
        let worker = if free[0] <= free[1] { 0 } else { 1 };
        let start = free[worker].max(now);
        free[worker] = start + takes;
        waiting.push(start);
        longest = longest.max(start - now);
        good += u32::from(deadline.is_none_or(|deadline| start + takes - now <= deadline.as_secs_f64()));
    }
    Outcome {
        goodput: f64::from(good) / (capacity * now),
        late: f64::from(accepted - good) / f64::from(accepted),
        refused: 1.0 - f64::from(accepted) / f64::from(ARRIVALS),
        longest: Duration::from_secs_f64(longest),
    }
}

const DEADLINES: [Option<Duration>; 5] = [
    Some(Duration::from_millis(100)),
    Some(Duration::from_millis(250)),
    Some(Duration::from_secs(2)),
    Some(Duration::from_secs(30)),
    None,
];

#[test]
fn however_much_is_offered_the_workers_do_what_is_still_wanted() {
    for load in [1.5, 2.0, 5.0, 10.0, 20.0] {
        for deadline in DEADLINES {
            let outcome = simulate(load, deadline);
            assert!(outcome.goodput > 0.95 && outcome.late < 0.01, "{load} {deadline:?}: {outcome:?}");
            assert!(outcome.longest < Duration::from_millis(150), "{load} {deadline:?}: {outcome:?}");
        }
    }
}

#[test]
fn at_half_of_what_they_can_do_nearly_nobody_is_refused() {
    for deadline in DEADLINES {
        let outcome = simulate(0.5, deadline);
        assert!(outcome.refused < 0.001 && outcome.late < 0.001, "{deadline:?}: {outcome:?}");
    }
}
