"""Finds which photos go on to the second look: those that the first takes for something they may not be.

    bands.py FIRST.npz SECOND.npz DATA [DATA ...] --policy FILE --policy-out FILE [--weight W] [--spend S] [--out CURVE.csv]
        [--exclude-licence WORDS ...]

FIRST and SECOND are the unseen.npz of heads.py, of both looks at the same photos. W is what the first counts in the mean of both
calibrated logits; the second counts the rest. A band begins at a probability of the first look and has no upper end, since an alarm is
worth its price. What a server sees is nearly all harmless and costs nearly everything, so the categories share alike in what may be
spent: each band begins where S divided by their number of the harmless photos go on, or where all that both looks find does, if that
is higher. POLICY-OUT is the policy with both looks' join and these bands. OUT has a row a beginning tried: the share of harmless
photos that go on, and what is found with as many false alarms as ALARMS of both looks' at everything.
"""

import argparse
import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit, logit

import policy
from common import read_photos

ALARMS = 0.01  # share of the harmless photos that may be taken for a product
TOP = 0.9999  # as good as no upper end
MAY_TAKE = 0.1  # of the photos: twice what the bands are meant to send on
STEPS = 200
HARMLESS = ("listing photos", "generic photos")  # kinds of categories.toml that fill a marketplace
SUFFIX = "_clip"  # of the heads of the second look


@dataclass(frozen=True)
class Band:
    low: float
    goes_on: float  # share of the harmless photos
    recall: float  # of the product's photos
    kept: float  # the same as a share of what both looks find when every photo gets both


def bands(first: np.ndarray, joined: np.ndarray, positive: np.ndarray, harmless: np.ndarray) -> list[Band]:
    """A band for each beginning tried, the widest last. Logits, all of the same photos."""
    least = float(np.quantile(joined[harmless], 1 - ALARMS))
    both = float((joined[positive] > least).mean())
    tried = []
    for low in np.unique(np.quantile(np.concatenate([first[positive], first[harmless]]), np.linspace(0, 1, STEPS)))[::-1]:
        found = float(((first >= low) & (joined > least))[positive].mean())
        tried.append(Band(float(expit(low)), float((first >= low)[harmless].mean()), found, found / max(both, 1e-9)))
    return tried


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--policy", type=Path, required=True)
    parser.add_argument("--policy-out", type=Path, required=True)
    parser.add_argument("--weight", type=float, default=0.4)
    parser.add_argument("--spend", type=float, default=0.045, help="share of harmless photos that may go on")
    parser.add_argument("--exclude-licence", action="append", default=[])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    looks = [np.load(path) for path in (arguments.first, arguments.second)]
    of = {photo.path: photo for photo in read_photos(arguments.data, arguments.exclude_licence)}
    place = [{path: row for row, path in enumerate(look["paths"].tolist())} for look in looks]
    paths = [path for path in place[0] if path in place[1]]
    rows = [np.array([places[path] for path in paths]) for places in place]
    photos = [of[path] for path in paths]
    harmless = np.array([not photo.head and photo.kind in HARMLESS for photo in photos])
    names = [name for name in looks[0]["categories"].tolist() if name in looks[1]["categories"].tolist()]
    document, goes_on, table, ends = policy.read(arguments.policy), np.zeros(len(photos), bool), [], {}
    for name in names:
        first, second = (look["logits"][row, look["categories"].tolist().index(name)] for look, row in zip(looks, rows))
        joined = arguments.weight * first + (1 - arguments.weight) * second
        positive = np.array([photo.head == name for photo in photos])
        if not positive.any() or not harmless.any():
            print(f"{name}: no band: photos of it and harmless photos are needed", file=sys.stderr)
            continue
        tried = bands(first, joined, positive, harmless)
        table += [(name, band) for band in tried]
        chosen = next((band for band in tried if band.kept >= 1), tried[-1])
        if chosen.goes_on > arguments.spend / len(names):
            chosen = [band for band in tried if band.goes_on <= arguments.spend / len(names)][-1]
        goes_on |= first >= logit(chosen.low)
        ends[name] = (round(chosen.low, 4), TOP)
        policy.set_join(document, name, "images", {name: arguments.weight, name + SUFFIX: round(1 - arguments.weight, 4)})
        print(f"{name:15} band from {chosen.low:.4f}: {chosen.goes_on:.4f} of {harmless.sum()} harmless photos go on, {chosen.kept:.3f} is kept of what both looks find, {chosen.recall / max(chosen.kept, 1e-9):.3f}, at {ALARMS} false alarms")
    print(f"{'any category':15} {goes_on[harmless].mean():.4f} of harmless photos go on, of those by sellers {goes_on[harmless & np.array([bool(photo.seller) for photo in photos])].mean():.4f}")
    if ends:
        policy.set_second_look(document, "images", [name + SUFFIX for name in ends], MAY_TAKE, ends)
    policy.write(arguments.policy_out, document)
    if arguments.out:
        with open(arguments.out, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["category", "low", "goes_on", "recall", "kept"])
            writer.writerows([name, *(f"{value:.5f}" for value in (band.low, band.goes_on, band.recall, band.kept))] for name, band in table)


if __name__ == "__main__":
    main()
