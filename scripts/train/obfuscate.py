"""The ways sellers hide a word from a filter."""

import random
import re

TRADITIONAL = str.maketrans("犸鳞黄杯雕镯亚黑纯传级货价买卖联系猎虫药东车贝龟龙乌独块条颗", "獁鱗黃盃雕鐲亞黑純傳級貨價買賣聯繫獵蟲藥東車貝龜龍烏獨塊條顆")
# Characters by sound, by shape and by parts. More than one way for the characters that give a product away.
SOUNDS = {
    "象": ["像", "相", "向", "xiang", "x", "🐘"], "牙": ["丫", "芽", "呀", "ya", "y", "🦷"], "犀": ["西", "希", "xi", "x", "🦏"], "牛": ["妞", "niu", "n", "🐂"], "角": ["脚", "交", "jiao", "j", "觉"],
    "穿": ["川", "串", "chuan", "c"], "山": ["shan", "s", "⛰", "三"], "甲": ["jia", "j", "假", "钾", "佳"], "鳞": ["粼", "lin", "磷"], "片": ["pian", "p", "篇"], "料": ["liao", "l", "廖"],
    "白": ["bai", "b", "百"], "黑": ["hei", "h", "嘿"], "黄": ["huang", "皇"], "血": ["xue", "雪"], "果": ["guo", "菓"], "冻": ["dong", "東"], "猛": ["meng", "m", "蒙"], "犸": ["ma", "m", "玛", "马"], "亚": ["ya", "压"], "非": ["fei", "菲"], "炮": ["pao", "泡"], "珠": ["zhu", "朱"],
}
LEET = [str.maketrans("oiea", "013@"), str.maketrans("oi", "01"), str.maketrans("ie", "!3"), str.maketrans("as", "4$"), str.maketrans("ao", "@0")]
HOMOGLYPHS = str.maketrans("aeiopcxy", "аеіорсху")  # Cyrillic letters that look Latin
BETWEEN = [".", "☆", "_", " ", "*", "\u200b", "·", "-", "★", "/", "~", "\u2060", "|", "、"]
CHINESE_WAYS = ["between", "traditional", "one_sound", "one_sound", "sounds", "initials", "digit", "wide"]
ENGLISH_WAYS = ["leet", "leet", "between", "homoglyph", "wide", "doubled", "dropped"]


def obfuscate(text: str, name: str, rng: random.Random) -> str:
    """`text` with `name` hidden in one of the ways."""
    hidden = hide_english(name, rng) if re.match(r"[a-zA-Z]", name) else hide_chinese(name, rng)
    return text.replace(name, hidden)


def hide_chinese(name: str, rng: random.Random) -> str:
    way = rng.choice(CHINESE_WAYS)
    known = [position for position, character in enumerate(name) if character in SOUNDS]
    if way == "traditional" and name.translate(TRADITIONAL) != name:
        return name.translate(TRADITIONAL)
    if way == "one_sound" and known:
        position = rng.choice(known)
        return name[:position] + rng.choice(SOUNDS[name[position]]) + name[position + 1 :]
    if way == "sounds" and known:  # every character by its pinyin
        return "".join(next((s for s in SOUNDS.get(c, []) if len(s) > 1 and s.isascii()), c) for c in name)
    if way == "initials" and len(known) == len(name) > 1:
        return "".join(next((s for s in SOUNDS[c] if s.isascii()), c)[0] for c in name)
    if way == "digit":
        return rng.choice("0123456789").join(name) if len(name) == 2 else name[:1] + rng.choice("0123456789") + name[1:]
    return rng.choice(BETWEEN).join(name)


def hide_english(name: str, rng: random.Random) -> str:
    way = rng.choice(ENGLISH_WAYS)
    if way == "leet":
        return name.translate(rng.choice(LEET))
    if way == "between":
        return rng.choice([".", "*", " ", "-", "_"]).join(name)
    if way == "homoglyph":
        return name.translate(HOMOGLYPHS)
    if way == "wide":
        return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name)
    position = rng.randrange(1, len(name))
    return name[:position] + name[position - 1] + name[position:] if way == "doubled" else name[:position] + name[position + 1 :]
