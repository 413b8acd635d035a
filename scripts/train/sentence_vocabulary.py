"""Cuts the tokenizer of multilingual-e5-small down to the pieces that Chinese and English texts are made of.

The pieces of a hundred languages are half of such a model's size. Kept are those that the texts given need, the commonest of plain
letters, all of Chinese characters and every single character of the scripts that turn up in listings. What is left out is cut
into smaller pieces, never lost, but for characters of scripts that are neither.
"""

import json
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer

SPACE = "\u2581"
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
COMMONEST = 60_000  # of the rank among all pieces up to which those of plain letters are kept
SCRIPTS = ("LATIN", "GREEK", "CYRILLIC", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "BOPOMOFO")
# What stands inside a word to hide it, as the server's own normalisation has it: nothing that shows, and symbols between Chinese
# characters. Signs that also part words hide one only beside a character that is left alone.
INVISIBLE = "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
HIDING = r"(?<=\p{Han})[.·・•*_~^☆★●○◆◇■□▲△♡♥❤]{1,3}(?=\p{Han})"
PARTING = r"[\-|/\\+=#@、 ]"
HIDDEN = [
    # Pictures that stand for a word of the trade: of two of them the encoder has no piece.
    ("🐘", "大象"), ("🦏", "犀牛"), ("🦷", "牙"),
    (INVISIBLE, ""), (HIDING, ""),
    (rf"(?<!\p{{Han}}\p{{Han}})(?<=\p{{Han}}){PARTING}(?=\p{{Han}}(?!\p{{Han}}))", ""),
]


def read(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def lowered(tokenizer: dict) -> dict:
    """The tokenizer, with all letters made small and what hides words taken out: half of the pieces of Latin letters are not needed."""
    first = [{"type": "Replace", "pattern": {"Regex": pattern}, "content": content} for pattern, content in HIDDEN]
    own = tokenizer["normalizer"]
    own = own["normalizers"] if own["type"] == "Sequence" else [own]
    return tokenizer | {"normalizer": {"type": "Sequence", "normalizers": [*first, own[0], {"type": "Lowercase"}, *own[1:]]}}


def is_han(character: str) -> bool:
    return "CJK" in unicodedata.name(character, "") or "IDEOGRAPH" in unicodedata.name(character, "")


def is_kept(piece: str, rank: int) -> bool:
    """Whether a piece stays, needed by the texts at hand or not."""
    letters = piece.lstrip(SPACE)
    if letters != letters.lower():
        return False
    if len(letters) <= 1:
        kind = unicodedata.category(letters) if letters else "Z"
        return kind[0] in "ZPSN" or is_han(letters) or unicodedata.name(letters, "").split(" ")[0] in SCRIPTS
    return all(is_han(letter) or not letter.isalpha() for letter in letters) or (letters.isascii() and rank < COMMONEST)


def pruned(tokenizer: dict, texts: Iterable[str], prefix: str) -> tuple[dict, list[int]]:
    """The tokenizer with the pieces that are kept, and the ids that they had. `prefix` stands before every window, which the model
    was trained with."""
    whole = Tokenizer.from_str(json.dumps(tokenizer))
    needed = {id_ for text in texts for id_ in whole.encode(text, add_special_tokens=False).ids}
    before = whole.encode(prefix, add_special_tokens=False)
    vocabulary = tokenizer["model"]["vocab"]
    kept = [id_ for id_, (piece, _) in enumerate(vocabulary) if piece in SPECIAL or id_ in needed or id_ in before.ids or is_kept(piece, id_)]
    place = {id_: new for new, id_ in enumerate(kept)}
    special = {"<s>": "<s>", "</s>": "</s>"}
    special_tokens = {name: {"id": name, "ids": [place[whole.token_to_id(name)]], "tokens": [name]} for name in special}
    special_tokens["prefix"] = {"id": "prefix", "ids": [place[id_] for id_ in before.ids], "tokens": before.tokens}
    around = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}  # noqa: E731
    single = [around("<s>"), around("prefix"), {"Sequence": {"id": "A", "type_id": 0}}, around("</s>")]
    pair = [*single, {"Sequence": {"id": "B", "type_id": 0}}, around("</s>")]
    return tokenizer | {
        "added_tokens": [token | {"id": place[token["id"]]} for token in tokenizer["added_tokens"] if token["id"] in place],
        "post_processor": {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special_tokens},
        "model": tokenizer["model"] | {"vocab": [vocabulary[id_] for id_ in kept]},
    }, kept


def cut_alike(whole: dict, part: dict, kept: list[int], texts: list[str]) -> tuple[int, int]:
    """How many of the texts the pruned tokenizer cuts as the whole one, and of how many: those all of whose pieces were kept."""
    one, other = Tokenizer.from_str(json.dumps(whole)), Tokenizer.from_str(json.dumps(part))
    known, alike, able = set(kept), 0, 0
    for text in texts:
        ids = one.encode(text, add_special_tokens=False).ids
        if known.issuperset(ids):
            able += 1
            alike += ids == [kept[id_] for id_ in other.encode(text, add_special_tokens=False).ids]
    return alike, able
