use std::sync::{Mutex, mpsc};

use super::*;
use crate::schedule::policy::Patience;
use crate::schedule::ticket::{Reply, Ticket, ticket};
use crate::schedule::{BatchRule, Caller, Claim, Priority};

const ONE_BY_ONE: BatchRule = BatchRule { max_batch: 1, max_wait: Duration::ZERO };

/// A number to double, in the lane of its hundreds.
#[derive(Debug)]
struct Job(u32, BatchRule, Reply<u32>);

impl Batchable for Job {
    type Lane = u32;

    fn lane(&self) -> u32 {
        self.0 / 100
    }

    fn cost_class(&self) -> usize {
        0
    }

    fn rule(&self) -> BatchRule {
        self.1
    }

    fn is_abandoned(&self) -> bool {
        self.2.is_abandoned()
    }

    fn claim(&self) -> Arc<dyn Claim> {
        self.2.claim()
    }
}

fn submit(scheduler: &Scheduler<Job>, numbers: &[u32], rule: BatchRule, asked: &Asked) -> Result<Vec<Ticket<u32>>> {
    let job = |&number: &u32| {
        let (reply, answer) = ticket();
        (Job(number, rule, reply), answer)
    };
    let (jobs, tickets) = numbers.iter().map(job).unzip();
    scheduler.submit(jobs, asked)?;
    Ok(tickets)
}

/// By this program itself, which waits however long it takes.
fn now() -> Asked {
    Asked { patient: true, ..Asked::default() }
}

const PATIENCE: Patience = Patience { interactive: Duration::from_millis(50), bulk: Duration::from_secs(5) };

type Ran = Arc<Mutex<Vec<Vec<u32>>>>;

/// A scheduler with one worker that waits for a permit before each batch and notes what it ran.
fn gated(capacity: usize) -> (Scheduler<Job>, mpsc::Sender<()>, Ran) {
    let (permit, permits) = mpsc::channel();
    let ran = Ran::default();
    let (permits, notes) = (Arc::new(Mutex::new(permits)), Arc::clone(&ran));
    let worker = move |batch: Vec<Taken<Job>>, _: AskBehind<'_>| {
        permits.lock().unwrap().recv().unwrap();
        let numbers: Vec<u32> = batch.iter().map(|taken| taken.job.0).collect();
        notes.lock().unwrap().push(numbers.clone());
        assert!(!numbers.contains(&13), "unlucky");
        for Taken { job: Job(number, _, reply), queue_wait, .. } in batch {
            reply.give(number * 2, queue_wait);
        }
        Duration::ZERO
    };
    let make = move |_| -> Worker<Job> { Box::new(worker.clone()) };
    (Scheduler::start(1, make, settings(capacity, Duration::from_secs(60))).unwrap(), permit, ran)
}

fn settings(capacity: usize, hang: Duration) -> Settings {
    Settings { capacity, bulk_yields: Duration::from_secs(60), patience: PATIENCE, hang }
}

fn interactive(scheduler: &Scheduler<Job>, numbers: &[u32]) -> Result<Vec<Ticket<u32>>> {
    submit(scheduler, numbers, ONE_BY_ONE, &now())
}

/// Submits a job and returns once the worker has taken it, so that what follows has to queue.
async fn occupy(scheduler: &Scheduler<Job>) -> Ticket<u32> {
    let ticket = interactive(scheduler, &[1]).unwrap().remove(0);
    while scheduler.queued() > 0 {
        tokio::task::yield_now().await;
    }
    ticket
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_says_when_to_come_back() {
    let (scheduler, permit, _) = gated(2);
    let mut tickets = interactive(&scheduler, &[1, 2]).unwrap();
    // The worker may have taken the first job, so fill up before expecting a refusal.
    let refusal = loop {
        match interactive(&scheduler, &[3]) {
            Ok(more) => tickets.extend(more),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(refusal, Error::Overloaded { why: Full::Places { capacity: 2, .. }, retry_after } if retry_after > Duration::ZERO)
    );
    for ticket in tickets {
        permit.send(()).unwrap();
        assert!(ticket.wait(Deadline::default()).await.is_ok());
    }
}

#[tokio::test]
async fn jobs_of_a_caller_that_left_and_jobs_past_their_deadline_are_never_run() {
    let (scheduler, permit, ran) = gated(8);
    let first = interactive(&scheduler, &[1]).unwrap();
    drop(interactive(&scheduler, &[2, 3]).unwrap());
    let passed = Deadline(Some(Instant::now()));
    let late = submit(&scheduler, &[4], ONE_BY_ONE, &Asked { deadline: passed, ..now() }).unwrap();
    let last = interactive(&scheduler, &[5]).unwrap();
    permit.send(()).unwrap();
    permit.send(()).unwrap();
    for ticket in first.into_iter().chain(last) {
        ticket.wait(Deadline::default()).await.unwrap();
    }
    for ticket in late {
        let outcome = ticket.wait(Deadline(Some(Instant::now()))).await;
        assert!(matches!(outcome, Err(Error::DeadlineExceeded)));
    }
    assert_eq!(*ran.lock().unwrap(), [vec![1], vec![5]]);
}

#[tokio::test]
async fn a_panic_is_that_jobs_error_and_the_worker_lives() {
    let (scheduler, permit, _) = gated(8);
    let mut tickets = interactive(&scheduler, &[13, 21]).unwrap().into_iter();
    permit.send(()).unwrap();
    permit.send(()).unwrap();
    assert!(matches!(tickets.next().unwrap().wait(Deadline::default()).await, Err(Error::Bug(_))));
    assert_eq!(tickets.next().unwrap().wait(Deadline::default()).await.unwrap().result, 42);
}

#[tokio::test]
async fn what_queued_while_the_worker_was_busy_runs_as_one_batch_of_its_lane() {
    let (scheduler, permit, ran) = gated(64);
    let mut tickets = vec![occupy(&scheduler).await];
    let rule = BatchRule { max_batch: 3, max_wait: Duration::ZERO };
    let numbers = [2, 100, 3, 4, 101, 5];
    tickets.extend(submit(&scheduler, &numbers, rule, &now()).unwrap());
    for _ in 0..4 {
        permit.send(()).unwrap();
    }
    let mut answers = Vec::new();
    for ticket in tickets {
        answers.push(ticket.wait(Deadline::default()).await.unwrap().result);
    }
    assert_eq!(answers, [2, 4, 200, 6, 8, 202, 10]);
    assert_eq!(*ran.lock().unwrap(), [vec![1], vec![2, 3, 4], vec![100, 101], vec![5]]);
}

#[tokio::test]
async fn a_batch_waits_for_more_only_as_long_as_its_rule_says_and_holds_up_no_other_lane() {
    let (scheduler, permit, ran) = gated(64);
    let patient = BatchRule { max_batch: 2, max_wait: Duration::from_secs(600) };
    let mut tickets = submit(&scheduler, &[1], patient, &now()).unwrap();
    tickets.extend(interactive(&scheduler, &[100]).unwrap());
    permit.send(()).unwrap();
    assert_eq!(tickets.pop().unwrap().wait(Deadline::default()).await.unwrap().result, 200);
    tickets.extend(submit(&scheduler, &[2], patient, &now()).unwrap());
    permit.send(()).unwrap();
    for ticket in tickets {
        ticket.wait(Deadline::default()).await.unwrap();
    }
    assert_eq!(*ran.lock().unwrap(), [vec![100], vec![1, 2]]);
}

#[tokio::test]
async fn interactive_work_goes_before_bulk_that_came_earlier() {
    let (scheduler, permit, ran) = gated(64);
    let mut tickets = vec![occupy(&scheduler).await];
    tickets.extend(submit(&scheduler, &[2, 3], ONE_BY_ONE, &Asked { priority: Priority::Bulk, ..now() }).unwrap());
    tickets.extend(interactive(&scheduler, &[4]).unwrap());
    for _ in 0..4 {
        permit.send(()).unwrap();
    }
    for ticket in tickets {
        ticket.wait(Deadline::default()).await.unwrap();
    }
    assert_eq!(*ran.lock().unwrap(), [vec![1], vec![4], vec![2], vec![3]]);
}

fn by(name: &str, weight: u32) -> Asked {
    Asked { caller: Caller { name: name.into(), weight }, ..now() }
}

#[tokio::test]
async fn callers_take_turns_by_their_weights_however_much_one_sends() {
    let (scheduler, permit, ran) = gated(64);
    let mut tickets = vec![occupy(&scheduler).await];
    tickets.extend(submit(&scheduler, &[10, 11, 14, 15, 16, 17], ONE_BY_ONE, &by("flood", 1)).unwrap());
    tickets.extend(submit(&scheduler, &[20, 21], ONE_BY_ONE, &by("polite", 1)).unwrap());
    tickets.extend(submit(&scheduler, &[30, 31, 32, 33], ONE_BY_ONE, &by("twice", 2)).unwrap());
    for _ in 0..13 {
        permit.send(()).unwrap();
    }
    for ticket in tickets {
        ticket.wait(Deadline::default()).await.unwrap();
    }
    let order: Vec<u32> = ran.lock().unwrap().iter().flatten().copied().skip(1).collect();
    let place = |number: u32| order.iter().position(|ran| *ran == number).unwrap();
    assert!(place(21) < place(14) && place(33) < place(16), "{order:?}");
    assert_eq!(order[order.len() - 3..], [15, 16, 17]);
}

#[tokio::test]
async fn who_would_wait_too_long_or_be_late_is_refused_and_others_are_not() {
    let (scheduler, permit, _) = gated(1000);
    let busy = occupy(&scheduler).await;
    // Each costs the 2 ms that are taken for granted: 30 of them wait 60 ms.
    let impatient = |name: &str| Asked { patient: false, ..by(name, 1) };
    let mut tickets = submit(&scheduler, &[2; 30], ONE_BY_ONE, &impatient("flood")).unwrap();
    let wait = submit(&scheduler, &[3], ONE_BY_ONE, &impatient("flood")).unwrap_err();
    assert!(matches!(wait, Error::Overloaded { why: Full::Wait { key: "scheduler.max_wait_ms", .. }, .. }), "{wait}");
    let within = |ms| Deadline(Some(Instant::now() + Duration::from_millis(ms)));
    let late = Asked { deadline: within(40), priority: Priority::Bulk, ..impatient("flood") };
    let late = submit(&scheduler, &[4], ONE_BY_ONE, &late).unwrap_err();
    assert!(matches!(late, Error::Overloaded { why: Full::Late { .. }, .. }), "{late}");
    // It would be next but one, since the flood has had its turn.
    let polite = Asked { deadline: within(40), ..impatient("polite") };
    scheduler.foresees(0, &polite).unwrap();
    tickets.extend(submit(&scheduler, &[5], ONE_BY_ONE, &Asked { deadline: Deadline(None), ..polite }).unwrap());
    for _ in 0..32 {
        permit.send(()).unwrap();
    }
    for ticket in tickets.into_iter().chain([busy]) {
        ticket.wait(Deadline::default()).await.unwrap();
    }
}

#[tokio::test]
async fn what_would_be_left_out_under_load_is_load_and_refuses_nobody() {
    let (permit, permits) = mpsc::channel::<()>();
    let (permits, loads) = (Arc::new(Mutex::new(permits)), Arc::new(Mutex::new(Vec::new())));
    let noted = Arc::clone(&loads);
    let worker = move |batch: Vec<Taken<Job>>, behind: AskBehind<'_>| {
        let begun = Instant::now();
        permits.lock().unwrap().recv().unwrap();
        noted.lock().unwrap().push(behind().load.0);
        for Taken { job: Job(number, _, reply), queue_wait, .. } in batch {
            reply.give(number * 2, queue_wait);
        }
        // All of it but next to nothing.
        begun.elapsed()
    };
    let make = move |_| -> Worker<Job> { Box::new(worker.clone()) };
    let scheduler = Scheduler::start(1, make, settings(1000, Duration::from_secs(60))).unwrap();
    // One job that takes longer than any may wait.
    let first = occupy(&scheduler).await;
    tokio::time::sleep(PATIENCE.interactive * 16).await;
    permit.send(()).unwrap();
    first.wait(Deadline::default()).await.unwrap();
    let mut tickets = vec![occupy(&scheduler).await];
    let impatient = Asked { patient: false, ..now() };
    for number in 2..12 {
        tickets.extend(submit(&scheduler, &[number], ONE_BY_ONE, &impatient).unwrap());
    }
    for ticket in tickets {
        permit.send(()).unwrap();
        ticket.wait(Deadline::default()).await.unwrap();
    }
    let loads = loads.lock().unwrap();
    assert!(loads[2] > 1.0, "ten of about 100 ms each wait: {loads:?}");
}

#[tokio::test]
async fn a_worker_that_does_not_return_is_answered_for_and_another_takes_its_place() {
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let worker = move |batch: Vec<Taken<Job>>, _: AskBehind<'_>| {
        for Taken { job: Job(number, _, reply), queue_wait, .. } in batch {
            if number == 13 {
                // Until the test ends, one way or the other.
                let _ = released.lock().unwrap().recv();
            }
            reply.give(number * 2, queue_wait);
        }
        Duration::ZERO
    };
    let make = move |_| -> Worker<Job> { Box::new(worker.clone()) };
    let scheduler = Scheduler::start(1, make, settings(8, Duration::from_millis(100))).unwrap();
    let hangs = interactive(&scheduler, &[13]).unwrap().remove(0);
    let next = interactive(&scheduler, &[21]).unwrap().remove(0);
    let lost = hangs.wait(Deadline::default()).await.unwrap_err();
    assert!(lost.to_string().contains("did not return (scheduler.hang_seconds)"), "{lost}");
    assert_eq!(next.wait(Deadline::default()).await.unwrap().result, 42);
    while scheduler.lost() != (1, 1) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    release.send(()).unwrap();
    while scheduler.lost() != (0, 1) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let again = interactive(&scheduler, &[5]).unwrap().remove(0);
    assert_eq!(again.wait(Deadline::default()).await.unwrap().result, 10, "the one that returned is gone");
}

#[tokio::test]
async fn an_end_waits_for_what_runs_and_not_for_what_does_not_return() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(Some(released));
    let make = move |_| -> Worker<Job> {
        let released = released.lock().unwrap().take();
        Box::new(move |_, _: AskBehind<'_>| {
            let _ = released.as_ref().map(mpsc::Receiver::recv);
            Duration::ZERO
        })
    };
    let scheduler = Scheduler::start(1, make, settings(8, Duration::from_millis(50))).unwrap();
    let hangs = interactive(&scheduler, &[13]).unwrap().remove(0);
    tokio::task::spawn_blocking(move || drop(scheduler)).await.unwrap();
    assert!(hangs.wait(Deadline::default()).await.is_err());
    drop(release);
}
