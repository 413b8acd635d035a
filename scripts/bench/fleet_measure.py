"""Measures what fleet.py simulates with: a real server on one core of this machine, and who sends on another."""

import asyncio
import csv
import math
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from fleet_model import SPARE, Seen, poisson

ROOT = Path(__file__).resolve().parents[2]
CLASSIFY = "/wildwarden.v1.RiskService/Classify"
DEADLINE = 30  # seconds
REPEATS = 3  # of each listing alone, of which the median counts
CALLERS = 4  # who each wait for their answer, at most that fit into the queue
CACHED = 2000  # listings of a photo that the cache knows
QUIET = (10.0, 20.0)  # listings a second, and seconds, in which none waits for another
WARM = 60.0  # seconds until a server has spent what it may save up for reading words


def contract():
    sys.path.insert(0, str(ROOT / "proto"))
    return grpc.protos("wildwarden/v1/risk.proto")


def listings(images: Path, texts: Path | None, count: int) -> list[tuple[bytes, str]]:
    """Photos and titles. Of a folder with a manifest those of sellers: everyday things, and one in fifty ivory."""
    source = random.Random(1)
    manifest = images / "manifest.csv"
    if manifest.exists():
        rows = [row for row in csv.DictReader(manifest.open(encoding="utf-8")) if row["note"].startswith("twitter listing")]
        ivory = [row["file"] for row in rows if row["class"] == "ivory"]
        others = [row["file"] for row in rows if row["class"] == "negative"]
        chosen = source.sample(ivory, count // 50) + source.sample(others, count - count // 50)
        photos = [(images / name).read_bytes() for name in chosen]
    else:
        photos = [path.read_bytes() for path in sorted(images.rglob("*.jpg"))][:count]
    titles = texts.read_text(encoding="utf-8").split("\n") if texts else ["老象牙手镯 包浆好"]
    found = [(photo, source.choice(titles).strip()[:200] or "手镯") for photo in photos]
    source.shuffle(found)
    return found


def policy_of(models: Path) -> dict:
    return tomllib.loads((models / "policy.toml").read_text(encoding="utf-8"))


def shipped_policy(profile: str | None, words: bool) -> str:
    """The text of the shipped policy but for the profile and, without `words`, for what is read in photos."""
    text = (ROOT / "models" / "policy.toml").read_text(encoding="utf-8")
    text = re.sub(r'(?m)^profile = "\w+"', f'profile = "{profile}"', text) if profile else text
    return text if words else re.sub(r"(?ms)^\[looks\.words\]\n.*?(?=^\[)", "", text)


@contextmanager
def server(program: Path, core: int, profile: str | None, cache: int = 0, words: bool = True):
    """On one core, with the shipped models, and their policy but for the profile and, without `words`, for what is read in photos. Yields its
    address and process id."""
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile("w+") as log:
        models = ROOT / "models"
        policy = Path(scratch) / "policy.toml"
        policy.write_text(shipped_policy(profile, words), encoding="utf-8")
        command = ["taskset", "--cpu-list", str(core), str(program), "serve", "--listen", "127.0.0.1:0", "--admin-listen", "", "--models", str(models), "--policy", str(policy)]
        settings = {"ORT_DISABLE_TELEMETRY": "1", "WILDWARDEN_SCHEDULER_WORKERS": "1", "WILDWARDEN_CACHE_IMAGES": str(cache), "WILDWARDEN_MODELS_IGNORE_STATE": "true"}
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | settings, stdout=log, stderr=subprocess.STDOUT)
        try:
            until = time.monotonic() + 60
            while True:
                log.seek(0)
                if found := re.search(r"serving address=(\S+)", log.read()):
                    break
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    sys.exit(f"fleet: the server did not start:\n{log.read()[-500:]}")
                time.sleep(0.05)
            yield found[1], process.pid
        finally:
            process.terminate()
            process.wait(30)


def core_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def logit(probability: float) -> float:
    kept = min(max(probability, 1e-12), 1 - 1e-12)
    return math.log(kept / (1 - kept))


def doubt(scores, bands: dict) -> float | None:
    """`Look::doubt` of the policy, from what the first look said."""
    most = None
    for score in scores:
        if band := bands.get(score.category):
            seen = logit(score.by_look[0] if score.by_look else score.probability)
            low, high = logit(band["from"]), logit(band["to"])
            depth = min(seen - low, high - seen)
            if depth >= 0:
                most = max(most or 0.0, depth / ((high - low) / 2))
    return most


@dataclass
class Sender:
    """Sends listings, each photo with bytes of its own."""

    wire: object
    listings: list[tuple[bytes, str]]
    number: int = int(time.time())

    def request(self, place: int, parts: str = "image text", fresh: bool = True):
        photo, title = self.listings[place % len(self.listings)]
        self.number += 1
        # Bytes after the end of a JPEG are none of the picture, but of its hash.
        content = photo + self.number.to_bytes(8, "big") if fresh else photo
        images = [self.wire.Image(content=content)] if "image" in parts else []
        return self.wire.ClassifyRequest(title=title if "text" in parts else "", images=images)

    def call(self, channel):
        return channel.unary_unary(CLASSIFY, request_serializer=self.wire.ClassifyRequest.SerializeToString, response_deserializer=self.wire.ClassifyResponse.FromString)


def first(timings) -> tuple[int, int]:
    """Microseconds of a photo and of a text."""
    return timings.decode_us + timings.resize_us + timings.image_inference_us, timings.text_features_us + timings.text_inference_us


def alone(sender: Sender, address: str, pid: int, parts: str, repeats: int = 1) -> tuple[list, float]:
    """By listing the answer with the median time, and the mean of the core's seconds."""
    answers = []
    with grpc.insecure_channel(address) as channel:
        call = sender.call(channel)
        for place in range(10):
            call(sender.request(place, parts), timeout=DEADLINE)
        began = core_seconds(pid)
        for place in range(len(sender.listings)):
            several = [call(sender.request(place, parts), timeout=DEADLINE) for _ in range(repeats)]
            answers.append(sorted(several, key=lambda answer: sum(first(answer.timings)))[repeats // 2])
        return answers, (core_seconds(pid) - began) / (repeats * len(sender.listings))


def service(program: Path, core: int, sender: Sender) -> dict:
    """What work takes, in microseconds; lists have an entry a listing."""
    looks = policy_of(ROOT / "models")["looks"]
    with server(program, core, "fast") as (address, pid):
        fast, core_time = alone(sender, address, pid, "image text", REPEATS)
        quiet = asyncio.run(opened(sender, address, *QUIET, 9, lambda number: number % len(sender.listings)))
    with server(program, core, "thorough") as (address, pid):
        photos, _ = alone(sender, address, pid, "image")
        texts, _ = alone(sender, address, pid, "text")
    with server(program, core, "fast", cache=1000) as (address, pid), grpc.insecure_channel(address) as channel:
        call = sender.call(channel)
        for _ in range(3):
            call(sender.request(0, fresh=False), timeout=DEADLINE)
        began = core_seconds(pid)
        answers = [call(sender.request(0, fresh=False), timeout=DEADLINE) for _ in range(CACHED)]
        cached = (core_seconds(pid) - began) / CACHED
        if not all(answer.images[0].cached for answer in answers):
            sys.exit("fleet: the cache did not know a photo that was sent before")
    worker = sum(sum(first(answer.timings)) for answer in fast) / len(fast) / 1e6
    beside_core = max(core_time - worker, 0.0)
    label = looks["words"]["label"]
    promises = [next((of.probability for of in answer.images[0].labels if of.name == label), 0.0) for answer in photos]
    scored = lambda texts: texts[0].scores if texts else []  # noqa: E731
    return {
        "image_us": [first(answer.timings)[0] for answer in fast],
        "image_again_us": [answer.timings.later_looks_us for answer in photos],
        "image_doubt": [rounded(doubt(answer.images[0].scores, looks["images"][0]["bands"])) for answer in photos],
        "words_us": [answer.timings.words_us for answer in photos],
        "words_promise": [rounded(promise if promise >= looks["words"]["from"] else None) for promise in promises],
        "text_us": [first(answer.timings)[1] for answer in fast],
        "text_again_us": [answer.timings.later_looks_us for answer in texts],
        "text_doubt": [rounded(doubt(scored(answer.texts), looks["texts"][0]["bands"])) for answer in texts],
        "cached_us": round(1e6 * max(cached - beside_core - sum(first(answers[0].timings)) / 1e6, 2e-5)),
        "beside_us": round(1e6 * beside_core),
        "outside_us": round(max(1000 * quiet["no_stage_ms"] - 1e6 * beside_core, 0.0)),
    }


def rounded(value: float | None) -> float:
    """TOML has no none."""
    return -1.0 if value is None else round(value, 6)


async def closed(sender: Sender, address: str, seconds: float) -> float:
    """Listings a second that callers get answered, each waiting for its answer."""
    answered, place, end = 0, 0, time.monotonic() + seconds
    async with grpc.aio.insecure_channel(address) as channel:
        call = sender.call(channel)

        async def caller() -> None:
            nonlocal answered, place
            while time.monotonic() < end:
                place += 1
                await call(sender.request(place), timeout=DEADLINE)
                answered += time.monotonic() < end

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return answered / seconds


async def opened(sender: Sender, address: str, rate: float, seconds: float, seed: int, order: Callable[[int], int]) -> dict:
    """Listings at the moments of `poisson`, whether or not answers come. Latency counts from when one was due."""
    seen, wanted, taken, words, failures, no_stage = Seen(), 0, 0, 0, [], []
    async with grpc.aio.insecure_channel(address) as channel:
        call = sender.call(channel)

        async def one(number: int, due: float, counts: bool) -> None:
            nonlocal wanted, taken, words
            try:
                answer = await call(sender.request(order(number)), timeout=DEADLINE)
            except grpc.aio.AioRpcError as error:
                if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
                    seen.refused += counts
                else:
                    failures.append(f"{error.code().name}: {error.details()}")
                return
            if counts:
                after, timings = time.monotonic() - due, answer.timings
                seen.answered.append(after)
                no_stage.append(1000 * after - (sum(first(timings)) + timings.words_us) / 1000)
                words += timings.words_us > 0
                second = answer.images[0].looks > 1
                wanted += second or any(re.fullmatch("image:.*:look:(busy|budget|late)", missing) for missing in answer.missing)
                taken += second

        await call(sender.request(0), timeout=DEADLINE)
        start, running = time.monotonic() + 0.1, set()
        for number, at in enumerate(poisson(rate, SPARE + seconds, seed)):
            await asyncio.sleep(max(0.0, start + at - time.monotonic()))
            task = asyncio.create_task(one(number, start + at, at >= SPARE))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)
    if failures:
        sys.exit(f"fleet: a listing failed: {failures[0]}")
    return {
        "p50_ms": round(1000 * seen.percentile(0.5, False), 2), "p99_ms": round(1000 * seen.percentile(0.99, False), 2),
        "answered": len(seen.answered), "refused": seen.refused, "second_looks_taken": taken, "second_looks_wanted": wanted, "words_read": words,
        "no_stage_ms": round(sorted(no_stage)[len(no_stage) // 2], 3),
    }  # fmt: skip
