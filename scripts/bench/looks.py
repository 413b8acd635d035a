"""What looking again costs, on a stream of real listing photos: this server by profile, and by turns the server of one look that it was
before, the bare limit of that, and the fastest peer with its encoder.

    looks.py --former MODELS --photos DIR [--turns 7] [--seconds 4] [--json FILE]

MODELS is the model repository of one look, DIR ../shared/data/images (its manifest says which photos are of sellers: 49 everyday things to
each ivory). All servers are up at the same time and idle but for one; each turn loads every one of them for so many seconds with 8 and then
with 32 callers, in another order each turn, and the ratios are of the same turn. Photos go with a title that says nothing. Caches are off. Before
the first turn the servers that read words spend what they may save up for it. Needs what scripts/bench/run.sh installs.
"""

import argparse
import json
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

import servers
from compare import NO_CACHE, backbone, bare_rate
from fleet_measure import WARM, listings, shipped_policy
from servers import load, load_peer, wildwarden

TITLE = "brass table lamp, used"
CALLERS = (8, 32)
PHOTOS = 250
FORMER, BARE, PEER = "one look", "bare limit of one look", "mosec with its encoder"
# Over what, and what is wanted.
WANTED = {"balanced": {PEER: 1.4, BARE: 1.1, FORMER: 1.25}, "fast": {PEER: 2.0, BARE: 1.6, FORMER: 2.0}, "balanced, no words": {}}


def policy(folder: Path, profile: str, words: bool) -> Path:
    path = folder / f"{profile}-{words}.toml"
    path.write_text(shipped_policy(profile, words), encoding="utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--former", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as up:
        folder = Path(name)
        stream = folder / "stream"
        stream.mkdir()
        for number, (photo, _) in enumerate(listings(given.photos, None, PHOTOS)):
            (stream / f"{number:03}.jpg").write_bytes(photo)
        bodies = sorted(stream.iterdir())
        former = given.former.absolute()

        def ours(settings: dict[str, str], models: Path | None = None):
            address = up.enter_context(wildwarden(NO_CACHE | {"MODELS_IGNORE_STATE": "true"} | settings, models))[0]
            # What a look was left out of has been answered by other models than before.
            more = ["--images", stream, "--title", TITLE, "--warmup", 0, "--allow-model-change"]
            return lambda callers, seconds: load(address, "closed", more, "--concurrency", callers, "--duration", seconds)["images_per_second"]

        port, _ = up.enter_context(servers.peer("mosec", backbone(former, folder), 1))
        servers.ask(port, "mosec", bodies[0])
        measured = {
            FORMER: ours({"MODELS_POLICY": str(former / "policy.toml")}, former),
            BARE: lambda _, seconds: bare_rate(stream, seconds, "--models", former, "--policy", former / "policy.toml"),
            PEER: lambda callers, seconds: load_peer(port, "mosec", bodies, '"top"', callers, seconds),
            "balanced": ours({"MODELS_POLICY": str(policy(folder, "balanced", True))}),
            "balanced, no words": ours({"MODELS_POLICY": str(policy(folder, "balanced", False))}),
            "fast": ours({"MODELS_POLICY": str(policy(folder, "fast", False))}),
        }
        measured["balanced"](8, int(WARM))
        measured["balanced, no words"](8, int(WARM) // 4)
        rates: dict[str, dict[int, list[float]]] = {what: {callers: [] for callers in CALLERS} for what in measured}
        for turn in range(given.turns):
            order = list(measured) if turn % 2 == 0 else list(reversed(measured))
            for callers in CALLERS:
                for what in order:
                    rates[what][callers].append(measured[what](callers, given.seconds))
                said = ", ".join(f"{what} {rates[what][callers][-1]:.0f}" for what in measured)
                print(f"turn {turn + 1}, {callers} callers, images/s: {said}", flush=True)
    print("\n| images/s over | callers | median of the ratios (least to most) | wanted |\n| --- | --- | --- | --- |")
    for profile, others in WANTED.items():
        for other in (FORMER, BARE, PEER):
            for callers in CALLERS:
                ratios = sorted(one / two for one, two in zip(rates[profile][callers], rates[other][callers]))
                wanted = others.get(other, "")
                print(f"| {profile} over {other} | {callers} | {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) | {wanted} |")
    for callers in CALLERS:
        ratios = sorted(one / two for one, two in zip(rates["balanced"][callers], rates["balanced, no words"][callers]))
        print(f"| balanced with words over without | {callers} | {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) | |")
    if given.json:
        given.json.write_text(json.dumps(rates, indent=1))


if __name__ == "__main__":
    main()
