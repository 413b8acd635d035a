"""Takes what a server has scored so far as the usual: writes it into the cards of its models, where drift is measured against it.

    reference.py METRICS [--models models] [--fewest 1000]

METRICS is the page of the operators' listener, an address or a file: http://127.0.0.1:50052/metrics. Of each category that a model of the
first look rates by itself, with at least so many scores, [card.reference] of its newest version gets the share of scores in each bin. That
changes the hash of the version; the server takes it over like any mended version. Needs tomlkit.
"""

import argparse
import collections
import re
import sys
import urllib.request
from pathlib import Path

import tomlkit

BUCKET = re.compile(r'wildwarden_first_look_scores_bucket\{(.*?)\} (\d+)')
KINDS = {"image": ("head", "image_classifier"), "text": ("text_classifier",)}


def counts(page: str) -> dict[tuple[str, str], list[int]]:
    """Scores in each bin, by modality and category."""
    cumulative = collections.defaultdict(list)
    for labels, count in BUCKET.findall(page):
        of = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        cumulative[of["modality"], of["category"]].append((float(of["le"].replace("+Inf", "inf")), int(count)))
    found = {}
    for key, buckets in cumulative.items():
        totals = [count for _, count in sorted(buckets)]
        found[key] = [after - before for before, after in zip([0, *totals], totals)]
    return found


def first_looks(models: Path) -> list[tuple[Path, tomlkit.TOMLDocument]]:
    """The newest version of each model that is not named in a further look of the policy."""
    looks = tomlkit.parse((models / "policy.toml").read_text()).get("looks", {})
    later = {name for modality in ("images", "texts") for look in looks.get(modality, []) for name in look["models"]}
    folders = (folder for folder in sorted(models.iterdir()) if folder.is_dir() and folder.name not in later)
    versions = (sorted(folder.glob("*/model.toml"), key=lambda file: [int(n) for n in re.findall(r"\d+", file.parent.name)]) for folder in folders)
    return [(files[-1], tomlkit.parse(files[-1].read_text())) for files in versions if files]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("metrics")
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--fewest", type=int, default=1000)
    given = parser.parse_args()
    if "://" in given.metrics:
        with urllib.request.urlopen(given.metrics, timeout=10) as answer:
            page = answer.read().decode()
    else:
        page = Path(given.metrics).read_text()
    seen = counts(page)
    if not seen:
        sys.exit("there are no scores on that page: the server has rated nothing since its models serve")
    for file, manifest in first_looks(given.models):
        modalities = [modality for modality, kinds in KINDS.items() if manifest["kind"] in kinds]
        reference = tomlkit.table()
        for category in {label["category"]: None for label in manifest.get("labels", []) if "category" in label}:
            bins = seen.get((modalities[0], category)) if modalities else None
            total = sum(bins or [])
            if total < given.fewest:
                if modalities:
                    print(f"{file}: {category}: {total} scores, at least {given.fewest} are wanted")
                continue
            reference[category] = [round(count / total, 6) for count in bins]
            print(f"{file}: {category}: of {total} scores")
        if reference:
            manifest["card"]["reference"] = reference
            file.write_text(tomlkit.dumps(manifest))


if __name__ == "__main__":
    main()
