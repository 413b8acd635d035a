"""Where each row of the text data comes from and under which licence, as its SOURCES.md says."""

from itertools import pairwise
from pathlib import Path

GENERATED = "generated"
UNKNOWN = "not known"
NONE = "none stated"
LICENCES = {  # as found beside the data; most repositories state none
    GENERATED: "Apache-2.0",
    "GabrielDeml/IWT": f"{NONE}; posts under the terms of X/Twitter",
    "Roytangrb/pangolin": f"{NONE}; court judgments and customs press releases",
    "kinshuk1207/wildlifevlm": NONE,
    "rjpost20/Met-Ivory-Classification-Project": f"{NONE}; The Met Open Access data",
    "allanj/ner_incomplete_annotation": NONE,
    "Alibaba-NLP/Multi-CPR": NONE,
    "Mcliuyi/Light-Short-text-product-classification": f"{NONE}; shop titles",
    "theryanlin/Shopee-Product-Title-Translation_ZH-EN": f"{NONE}; Shopee challenge data",
    "CLUEbenchmark/FewCLUE": NONE,
    "649453932/Chinese-Text-Classification-Pytorch": "MIT (code); headlines of THUCNews under its own terms",
    "megagonlabs/ditto": "Apache-2.0 (repository); data of WDC and Magellan",
    "open-compass/LawBench": "Apache-2.0",
    "MineSelf2016/SummerResearch": "MIT (repository); official posts of CCTV News",
    "ParkerCase/wildlife-conservation-tracker": NONE,
    "paraphrases of web pages": "own words",
    UNKNOWN: "not known",
}
# Last line of each source in the plain files, which keep their sources together. A file of another length is "not known".
ENDS = {
    "negatives_zh": [
        (4944, "allanj/ner_incomplete_annotation"), (11657, "Mcliuyi/Light-Short-text-product-classification"), (21502, "theryanlin/Shopee-Product-Title-Translation_ZH-EN"),
        (39200, "Alibaba-NLP/Multi-CPR"), (46380, "CLUEbenchmark/FewCLUE"), (51767, "649453932/Chinese-Text-Classification-Pytorch"), (54014, "CLUEbenchmark/FewCLUE"),
    ],
    "negatives_en": [
        (9037, "GabrielDeml/IWT"), (12838, "rjpost20/Met-Ivory-Classification-Project"), (13719, "theryanlin/Shopee-Product-Title-Translation_ZH-EN"), (23480, "megagonlabs/ditto"), (23864, "ParkerCase/wildlife-conservation-tracker"),
    ],
}


def titles(file: Path) -> list[tuple[str, str]]:
    """The lines of a file of benign titles, and the source of each."""
    lines = file.read_text(encoding="utf-8").splitlines()
    ends = ENDS[file.stem]
    if len(lines) != ends[-1][0]:
        return [(line.strip(), UNKNOWN) for line in lines]
    return [(line.strip(), source) for (start, _), (end, source) in pairwise([(0, ""), *ends]) for line in lines[start:end]]


def repository(source: str) -> str:
    """"github:owner/name@commit and more" -> "owner/name"."""
    name = source.removeprefix("github:").partition("@")[0]
    return name if name in LICENCES else UNKNOWN
