"""Writes what the models scored into models/README.md, between its two markers.

    cards.py README.md MODELS [EVALUATION.json ...] [SCORES.jsonl ...]

MODELS are the folders whose cards are read, the policy beside them; each EVALUATION.json is one fold's, of composed listings or of photos, by
`wildwarden evaluate`; SCORES.jsonl hold photos and texts rated alone. The numbers stand in
one place, the cards and reports, and this page only shows them.
"""

import json
import sys
import tomllib
from pathlib import Path

import policy

BEGIN, END = "<!-- scores: written by scripts/train/cards.py -->", "<!-- end of scores -->"
FUSED = {
    "roc_auc": "ROC-AUC", "average_precision_at_prior": "average precision at the deployment prior", "recall_at_fpr_0.01": "recall at 1 % false positives",
    "ece_at_prior": "ECE at the deployment prior", "recall_at_review": "offers at REVIEW or above", "false_positive_rate_at_review": "others at REVIEW or above",
}
RULES = {"fused": "fused", "image_only": "image only", "text_only": "text only", "max": "maximum", "noisy_or": "noisy-OR"}


def number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}" if abs(value) >= 0.1 or value == 0 else f"{value:.4f}"


def newest(model: Path) -> Path:
    """The folder of the highest version, as the server orders them: 10 is above 9, and any number above any name."""
    return max((folder for folder in model.iterdir() if folder.is_dir()), key=lambda folder: (folder.name.isdigit(), int(folder.name) if folder.name.isdigit() else 0, folder.name))


def of_card(folder: Path) -> list[str]:
    card = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))["card"]
    metrics = card.get("metrics", [])
    head = ["", "| what | figure | 95 % interval | on |", "| --- | --- | --- | --- |"] if metrics else []
    lines = [f"### {folder.parent.name}/{folder.name}", "", card["summary"], *head]
    for metric in metrics:
        ends = "[{}, {}]".format(*map(number, metric["interval"])) if "interval" in metric else ""
        lines.append(f"| {metric['name']} | {number(metric['value'])} | {ends} | {metric['protocol'].rpartition('; ')[2]} |")
    return [*lines, "", "Known failures:", "", *(f"- {failure}" for failure in card["known_failures"]), ""]


def of_fusion(reports: list[dict], heads: list[str]) -> list[str]:
    folds = " | ".join(f"fold {index}" for index in range(len(reports)))
    lines = [
        "### The fused rating", "",
        "Listings composed of photo and text (`scripts/train/listings.py` says how), each rated through the server's own path by models",
        "that have seen neither. In brackets the 95 % bootstrap interval over groups.", "",
        f"| category | what | {folds} |", "| --- | --- |" + " --- |" * len(reports),
    ]
    by = [{category["category"]: category for category in report["categories"]} for report in reports]
    for head in heads:
        for key, name in FUSED.items():
            cells = []
            for categories in by:
                figure = categories[head]["scores"][0]["figures"][key] if head in categories else {"value": None}
                ends = f" [{number(figure['low'])}, {number(figure['high'])}]" if figure.get("low") is not None else ""
                cells.append(number(figure["value"]) + ends)
            lines.append(f"| {head} | {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def of_rules(reports: list[dict], heads: list[str]) -> list[str]:
    """Fusion against simpler rules on the same listings: those with both photo and text."""
    lines = [
        "Against simpler rules, on the listings with both photo and text. Beneath each rule's average precision, fusion's lead over it",
        "with its paired 95 % interval: where that holds 0, fusion does not win.", "",
        "| category | fold | " + " | ".join(RULES.values()) + " |", "| --- | --- |" + " --- |" * len(RULES),
    ]
    for head in heads:
        for fold, report in enumerate(reports):
            found = next((category["fusion"] for category in report["categories"] if category["category"] == head), None)
            if not found:
                continue
            rules, cells = {rule["rule"]: rule for rule in found["rules"]}, []
            for key in RULES:
                lead = rules[key]["fused_minus_rule"]["average_precision"]
                measured = key != "fused" and all(lead[end] is not None for end in ("value", "low", "high"))
                ahead = f"<br>{lead['value']:+.3f} [{lead['low']:+.3f}, {lead['high']:+.3f}]" if measured else ""
                cells.append(number(rules[key]["figures"]["average_precision"]["value"]) + ahead)
            lines.append(f"| {head} | {fold} | {' | '.join(cells)} |")
    return [*lines, ""]


def of_alone(rows: list[dict]) -> list[str]:
    """What REVIEW does to photos and texts alone, a kind of them a line, positives and negatives apart."""
    lines = ["### Photos and texts alone, at the shipped thresholds", "", "| what | labelled | number | REVIEW or above | BLOCK |", "| --- | --- | --- | --- | --- |"]
    kinds = sorted({(row["slices"][0], ", ".join(row["labels"]) or "none") for row in rows})
    for kind, label in kinds:
        mine = [row["suggestion"] for row in rows if row["slices"][0] == kind and (", ".join(row["labels"]) or "none") == label]
        review, block = sum(suggestion != "pass" for suggestion in mine), mine.count("block")
        lines.append(f"| {kind} | {label} | {len(mine)} | {review / len(mine):.2%} | {block / len(mine):.2%} |")
    return [*lines, ""]


def of_stress(reports: list[dict], heads: list[str]) -> list[str]:
    """What degraded copies of the same photos lose."""
    names = {row["degradation"]: row["title"] for report in reports for category in report["categories"] for row in category["stress"]}
    if not names:
        return []
    lines = [
        "### Degraded photos", "", "Change of ROC-AUC against the same photos undegraded, a line a fold, with its paired 95 % interval.", "",
        "| degradation | " + " | ".join(heads) + " |", "| --- |" + " --- |" * len(heads),
    ]
    for key, title in names.items():
        cells = {head: [] for head in heads}
        for report in reports:
            for category in report["categories"]:
                for row in category["stress"]:
                    if row["degradation"] == key and row["roc_auc_change"]["value"] is not None:
                        change = row["roc_auc_change"]
                        ends = f" [{change['low']:+.3f}, {change['high']:+.3f}]" if change["low"] is not None else ""
                        cells[category["category"]].append(f"{change['value']:+.3f}{ends}")
        lines.append(f"| {title} | " + " | ".join("<br>".join(cells[head]) for head in heads) + " |")
    return [*lines, ""]


def main(readme: Path, models: Path, measured: list[Path]) -> None:
    # A category with too few photos has no head.
    heads = policy.names(policy.read(models / "policy.toml"))
    first = ["image_encoder", *heads, "live_animal", "shows_words", "text_classifier"]
    second = ["clip_encoder", *(f"{head}_clip" for head in heads), "sentence_classifier", "text_detector", "text_recognizer"]
    folders = [newest(models / name) for name in [*first, *second] if (models / name).is_dir()]
    lines = [line for folder in folders for line in of_card(folder)]
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in measured if path.suffix == ".json"]
    alone = [json.loads(line) for path in measured if path.suffix == ".jsonl" for line in path.open(encoding="utf-8")]
    if alone:
        lines += of_alone(alone)
    lines += of_stress(reports, heads)
    composed = [report for report in reports if any(category["fusion"] for category in report["categories"])]
    if composed:
        lines += of_fusion(composed, heads) + of_rules(composed, heads)
    page = readme.read_text(encoding="utf-8")
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise SystemExit(f"{readme} needs the markers {BEGIN!r} and {END!r} once each")
    before, rest = page.split(BEGIN)
    readme.write_text(before + "\n".join([BEGIN, "", *lines, END]) + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(path) for path in sys.argv[3:]])
