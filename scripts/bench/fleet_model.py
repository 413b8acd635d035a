"""Servers as they queue, admit and look, simulated by SimPy; what work costs is given. The rules are those of src/core/schedule (policy.rs,
queue.rs, mean.rs) and src/core/pipeline/looks.rs; where these change, this must.

Left out, since it changes little at these loads: texts that share a batch, a photo that is looked at anew because a look was left out
when the cache learnt it, callers with shares of their own, and deadlines.
"""

import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import simpy

MAX_WAIT = 0.1  # seconds, scheduler.max_wait_ms
OWN_WORK = 4  # OWN_WORK in policy.rs
UNKNOWN_COST = 0.002  # seconds, UNKNOWN in costs.rs
NARROWS, CLOSES = 0.2, 0.6  # looks.rs, and the next three
CREDIT, GAIN = 1.0, 0.02
RETRY_AFTER = 0.05  # seconds until a client tries another server: initialBackoff of deploy/kubernetes/service-config.json
SPARE = 10.0  # seconds of a load before what counts
IMAGE, TEXT = 0, 1


@dataclass(frozen=True)
class Sample:
    """A listing as it was measured, alone on an idle core: seconds of a worker."""

    image: float  # decode, resize, first look
    image_again: float  # second look
    image_doubt: float | None  # depth in the policy's band, 0 to 1; none: outside
    words: float  # finding and reading them
    words_promise: float | None  # probability that there are some; none: too little
    text: float
    text_again: float
    text_doubt: float | None


@dataclass(frozen=True)
class Costs:
    """What the server was measured to take."""

    samples: list[Sample]
    cached: float  # a photo that the cache knows
    beside: float  # core time of a listing outside the workers: gRPC, hashing, fusion
    outside: float  # seconds of a listing alone that are no core's: network, handing over, the sender
    # By which work that begins right after other work takes longer, or shorter, than that of a listing which finds its core asleep.
    pace: float = 1.0

    def busy(self, pace: float) -> "Costs":
        return replace(self, pace=pace)


@dataclass(frozen=True)
class Policy:
    """What [looks] says."""

    profile: str = "balanced"
    image_share: float = 0.1
    text_share: float = 0.1
    words_share: float = 0.003  # 0: nobody's words are read
    # Tightness of the way to words at the beginning: a server that has run for long has spent what it may save up at its start, which is
    # worth a hundred photos' words.
    words_spent: float = 1.0


@dataclass
class Gate:
    """The way to a further look: `Gate` of looks.rs."""

    share: float
    profile: str
    tightness: float = -CREDIT
    taken: int = 0
    wanted: int = 0

    def takes(self, doubt: float | None, load: float) -> bool:
        if self.profile == "fast":
            return False
        thorough = self.profile == "thorough"
        if thorough:
            doubt = 1.0
        if doubt is None:
            self.spend(False)
            return False
        self.wanted += 1
        of_load = min(max((load - NARROWS) / (CLOSES - NARROWS), 0.0), 1.0)
        if not heeded(doubt, of_load):
            return False
        if not thorough and not heeded(doubt, self.tightness):
            self.spend(False)
            return False
        self.spend(True)
        self.taken += 1
        return True

    def spend(self, taken: bool) -> None:
        self.tightness = min(max(self.tightness + GAIN * (taken - self.share), -CREDIT), 1.0 + CREDIT)


def heeded(doubt: float, tightness: float) -> bool:
    return doubt >= tightness and tightness < 1.0


@dataclass(eq=False, slots=True)
class Listing:
    came: float
    sample: Sample
    repost: bool
    left: int = 0
    pace: float = 1.0
    server: "Server | None" = None


@dataclass(slots=True)
class Job:
    kind: int
    listing: Listing
    cost: float
    enqueued: float


@dataclass(eq=False)
class Server:
    """Workers over one queue."""

    env: simpy.Environment
    costs: Costs
    policy: Policy
    cores: int
    done: Callable[[Listing], None]
    lost: Callable[[Listing], None]
    known: list[float] = field(default_factory=lambda: [UNKNOWN_COST, UNKNOWN_COST])
    up: bool = True

    def __post_init__(self) -> None:
        self.queue: deque[Job] = deque()
        self.waiting = 0.0
        self.running: set[Listing] = set()
        self.free = self.cores
        self.images = Gate(self.policy.image_share, self.policy.profile)
        self.texts = Gate(self.policy.text_share, self.policy.profile)
        self.words = Gate(self.policy.words_share, self.policy.profile if self.policy.words_share else "fast", self.policy.words_spent)

    def admits(self) -> bool:
        """`foresees` of policy.rs for a photo, which is asked before a listing is read."""
        if self.waiting <= 1e-12:
            return True
        return self.waiting / self.cores <= max(MAX_WAIT, OWN_WORK * self.known[IMAGE] / self.cores)

    def offer(self, listing: Listing) -> bool:
        """Whether it is taken."""
        if not self.admits():
            return False
        listing.server, listing.left = self, 2
        # As it was measured: alone.
        listing.pace = 1.0 if self.free and not self.queue else self.costs.pace
        for kind in (IMAGE, TEXT):
            self.queue.append(Job(kind, listing, self.known[kind], self.env.now))
            self.waiting += self.known[kind]
        while self.free and self.queue:
            self.start()
        return True

    def start(self) -> None:
        job = self.queue.popleft()
        self.waiting = self.waiting - job.cost if self.queue else 0.0
        self.free -= 1
        self.running.add(job.listing)
        # What came together is the same listing, whose parts are no load to one another.
        own = self.queue[0].cost if self.queue and self.queue[0].listing is job.listing else 0.0
        took = self.takes(job, (self.waiting - own) / self.cores / MAX_WAIT)
        event = self.env.timeout(took)
        event.callbacks.append(lambda _: self.end(job, took))

    def takes(self, job: Job, load: float) -> float:
        """Seconds of a worker."""
        sample, costs = job.listing.sample, self.costs
        if job.kind == TEXT:
            work = sample.text + (sample.text_again if self.texts.takes(sample.text_doubt, load) else 0.0)
            return (work + costs.beside / 2) * job.listing.pace
        if job.listing.repost:
            return (costs.cached + costs.beside / 2) * job.listing.pace
        work = sample.image + (sample.image_again if self.images.takes(sample.image_doubt, load) else 0.0)
        work += sample.words if self.words.takes(sample.words_promise, load) else 0.0
        return (work + costs.beside / 2) * job.listing.pace

    def end(self, job: Job, took: float) -> None:
        if not self.up:
            return
        self.known[job.kind] += (took - self.known[job.kind]) / 8
        self.free += 1
        listing = job.listing
        listing.left -= 1
        if listing.left == 0:
            self.running.discard(listing)
            self.done(listing)
        while self.free and self.queue:
            self.start()

    def fail(self) -> None:
        """It is gone, with all that it had in hand."""
        self.up = False
        for listing in dict.fromkeys([*self.running, *(job.listing for job in self.queue)]):
            self.lost(listing)


@dataclass
class Seen:
    """What callers saw: seconds of what was answered, and how many were not."""

    answered: list[float] = field(default_factory=list)
    refused: int = 0

    def all(self) -> int:
        return len(self.answered) + self.refused

    def percentile(self, share: float, refused_count: bool = True) -> float:
        """Nearest rank; what was refused never came."""
        ranked = sorted(self.answered) + [math.inf] * (self.refused if refused_count else 0)
        return ranked[max(math.ceil(share * len(ranked)) - 1, 0)] if ranked else math.inf


def poisson(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """The same moments for the same seed."""
    source, at = random.Random(seed), 0.0
    while (at := at + source.expovariate(rate)) < seconds:
        yield at


@dataclass
class Fleet:
    """Servers in zones, and clients that each go round them by turns."""

    costs: Costs
    policy: Policy = Policy()
    zones: int = 1
    servers_a_zone: int = 1
    cores: int = 1
    reposts: float = 0.0
    clients: int = 16

    def run(self, arrivals: Iterator[float], order: Callable[[int], int], warm: float, fails_at: float | None = None, seed: int = 7) -> dict:
        """What callers see from `warm` on; of a failure, what those see who come after it."""
        env, source = simpy.Environment(), random.Random(seed)
        before, after = Seen(), Seen()
        came_after = fails_at if fails_at is not None else math.inf

        def seen(listing: Listing) -> Seen | None:
            return None if listing.came < warm else after if listing.came >= came_after else before

        def done(listing: Listing) -> None:
            if (of := seen(listing)) is not None:
                of.answered.append(env.now - listing.came + self.costs.outside)

        def lost(listing: Listing) -> None:
            env.timeout(RETRY_AFTER).callbacks.append(lambda _: send(listing))

        zones = [[Server(env, self.costs, self.policy, self.cores, done, lost) for _ in range(self.servers_a_zone)] for _ in range(self.zones)]
        everybody = [server for zone in zones for server in zone]
        up = list(everybody)
        source.shuffle(up)
        turns = [source.randrange(len(up)) for _ in range(self.clients)]

        def send(listing: Listing) -> None:
            client = source.randrange(self.clients)
            turns[client] += 1
            if not up[turns[client] % len(up)].offer(listing) and (of := seen(listing)) is not None:
                of.refused += 1

        def clients():
            for number, at in enumerate(arrivals):
                yield env.timeout(at - env.now)
                send(Listing(env.now, self.costs.samples[order(number)], source.random() < self.reposts))

        def disaster():
            yield env.timeout(fails_at)
            gone = zones[0]
            up[:] = [server for server in up if server not in gone]
            for server in gone:
                server.fail()

        env.process(clients())
        if fails_at is not None:
            env.process(disaster())
        env.run()
        gates = [server.images for server in everybody]
        wanted = sum(gate.wanted for gate in gates)
        return {"before": before, "after": after, "second_looks": sum(gate.taken for gate in gates) / wanted if wanted else None}


def saturated(costs: Costs, policy: Policy, callers: int, listings: int, order: Callable[[int], int]) -> float:
    """Listings a second that one core answers to callers who each wait for their answer."""
    env = simpy.Environment()
    numbers = iter(range(listings))
    finished = [0.0, 0]

    def again(_: Listing | None = None) -> None:
        finished[0], finished[1] = env.now, finished[1] + 1
        number = next(numbers, None)
        if number is not None:
            # The answer goes, and the next listing comes.
            env.timeout(costs.outside).callbacks.append(lambda _: server.offer(Listing(env.now, costs.samples[order(number)], False)))

    server = Server(env, costs, policy, 1, again, again)
    for _ in range(callers):
        again()
    env.run()
    return (finished[1] - callers) / finished[0]
