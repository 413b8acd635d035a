"""Builds the labelled corpus of the text classifier.

    corpus.py DATA_DIR OUT.jsonl

Labels: ivory, pangolin_scale, rhino_horn, mammoth, conservation, benign. Real texts come from DATA_DIR/text. Real Chinese
offers are next to none, so they are generated: code words, product forms, seller phrases and obfuscations, each paired with
benign uses of the same words. Some patterns and some words go to the test split only ("held_out"), so that the score says
something about offers nobody wrote a pattern for. One line a text: text, lang, label, split, source, slice.
"""

import hashlib
import json
import random
import re
import sys
from pathlib import Path

SEED = 1
OFFERS = 5000  # a category, Chinese; a third of it in English

NAMES = {  # open names and slang; the last third of each list is only ever seen in the test split
    "ivory": "象牙 老象牙 非洲象牙 象牙料 白料 黄料 血牙 原牙 整牙 象牙雕 果冻料 牙料 非洲白 白塑料".split(),
    "pangolin_scale": "穿山甲片 山甲片 炮山甲 穿山甲鳞片 甲片 生山甲 鳞片 穿山甲鳞 醋山甲 甲珠 鲮鲤甲 山甲粉".split(),
    "rhino_horn": "犀牛角 犀角 亚犀 黑料 犀角片 犀牛角粉 老犀角 非犀 黑犀角 亚料 生犀角 犀角杯料".split(),
    "mammoth": "猛犸牙 猛犸象牙 猛犸料 猛犸 长毛象牙 冻土料 猛犸化石牙 蓝皮猛犸".split(),
}
FORMS = {
    "ivory": "手串 吊坠 牌子 佛珠 手镯 印章 筷子 平安扣 念珠 雕件 摆件 观音 把件 原料 108颗 鼻烟壶 簪子 三通".split(),
    "pangolin_scale": "一斤 整包 干货 片 粉 鳞片 生片 炮制好的 大片 小片 五十克 带皮 一袋".split(),
    "rhino_horn": "手串 杯 片 粉 雕件 原料 扳指 牌子 角尖 整只 边料 切片 珠子 把件".split(),
    "mammoth": "手串 吊坠 牌子 珠子 佛珠 雕件 摆件 筷子 原料 手镯 平安扣 把件".split(),
}
TAILS = (
    "私聊 懂的来 识货的来 包真 支持复检 顺丰到付 面交 老货 包浆好 纹路清晰 传世 家里老人留下的 急出 便宜出 要的加v 不走平台 "
    "有缘人 量大从优 保真 懂行的联系 价格私聊 可小刀 实物拍摄 自用转让 低调出 非诚勿扰 长期有货 现货 到手不亏"
).split()
PATTERNS = [
    "{name}{form} {number}克 {tail}", "出{name}{form}，{tail}", "{tail} {name}{form}", "{name} {form} {price}元 {tail}", "老{form} {name} {tail} {tail2}",
    "收{name}，有的{tail}", "求购{name}{form} {tail}", "{name}{form}一{unit} {number}g {price}", "转让{name}{form} {tail}", "自家收藏{name}{form}，{tail2}",
    "{form}，{name}的，{number}mm，{tail}", "新到一批{name} {tail}", "{name}{form}便宜了 {price}包邮", "到货 {name} {number}公斤 {tail}", "{carrier} {name}{form} {tail}",
    "{name}{form} {carrier}", "纯天然{name}{form} {number}.{number2}mm {tail}", "{number}年前的{name}{form}，{tail2}，{tail}",
]
TEST_PATTERNS = [
    "手里有点{name}，想换成钱，{tail}", "{tail2}！{name}{form}只此一{unit}", "朋友托我出{name}{form}，价{price}", "谁要{name} {number}克起 {tail}", "{carrier}，另有{name}{form}，{tail}",
    "玩了{number}年的{name}{form} {tail}", "{name}有货{form}都有，图片发你",
]
ENGLISH = {
    "ivory": ["ivory", "elephant ivory", "genuine ivory", "carved ivory", "pre-ban ivory", "real ivory", "antique ivory"],
    "pangolin_scale": ["pangolin scales", "dried pangolin scales", "pangolin scale", "anteater scales", "pangolin skin with scales", "chuan shan jia scales"],
    "rhino_horn": ["rhino horn", "rhinoceros horn", "rhino horn powder", "carved rhino horn", "african rhino horn", "black rhino horn pieces"],
    "mammoth": ["mammoth ivory", "mammoth tusk", "fossil mammoth ivory", "woolly mammoth ivory", "siberian mammoth tusk"],
}
ENGLISH_FORMS = {
    "ivory": ["netsuke", "figure", "okimono", "bangle", "bead necklace", "tusk", "cane handle", "chess set", "box", "miniature", "brooch", "card case", "paper knife"],
    "pangolin_scale": ["", "1 kg", "powder", "lot", "for medicine", "whole", "bag"],
    "rhino_horn": ["libation cup", "piece", "powder", "beads", "carving", "dagger handle", "slices", "cup"],
    "mammoth": ["pendant", "carving", "beads", "knife scales", "slab", "sculpture", "figurine", "bracelet"],
}
ENGLISH_PATTERNS = [
    "{name} {form} for sale", "Antique {name} {form}, {number} g", "{name} {form} - {carrier}", "Beautiful {name} {form}, signed", "{name} {form} {price} shipped",
    "A fine Japanese {name} {form}, Meiji period", "selling {name} {form}, message me", "{number} cm {name} {form} with stand", "Lot {number}: {name} {form}", "Old {name} {form} from estate, {price}",
    "Looking to buy {name} {form}", "Victorian {name} {form} in good condition", "{carrier} with {name} {form}", "SOLD {name} {form} {price} #antiques",
]
ENGLISH_TEST_PATTERNS = ["Inherited this {name} {form}, what is it worth? open to offers", "{name} {form} available, pm for price", "{number} {name} {form} in our next auction, est. {price}"]
BENIGN = {  # the same words, meaning something else
    "zh": [
        "象牙白{noun}", "象牙色{noun} {carrier}", "象牙芒果 新鲜 {number}斤", "象牙白瓷砖 {number}x{number}", "仿象牙{form} 树脂 {price}元", "象牙果{form} 天然植物象牙", "不是象牙，牛骨{form} {price}元",
        "犀牛盾手机壳 {carrier}", "犀牛软件 建模教程", "犀牛皮{noun}", "水牛角{form} 天然 {price}元", "牛角梳 {carrier}", "黄牛角{form}", "羊角{form} 实用", "牛角面包 {number}个装", "犀牛玩偶 毛绒",
        "穿山甲毛绒玩具 {carrier}", "穿山甲电镐 {number}W", "穿山甲钻头 {number}mm", "穿山甲纪录片 光盘", "甲片 美甲 {number}片装", "穿戴甲片 {carrier}", "盔甲鳞片 摆件", "鱼鳞片 {noun}", "亮片鳞片裙 {carrier}", "鲤鱼鳞片图案{noun}",
        "果冻料翡翠{form} {price}", "绿松石果冻料{form}", "白料和田玉{form} {number}克", "白塑料{noun} {number}个", "黑料和田玉{form}", "黑料曝光 {carrier}", "黄料蜜蜡{form} {number}g", "血料朱砂{form}", "牙料{noun}", "象牙塔 {carrier}", "大象牙刷 儿童",
        "指甲刀套装 {carrier}", "地龙 蚯蚓 饲料 {number}斤", "麒麟瓜 {number}斤 现摘", "山货 木耳 {number}斤", "牛骨{form} {price}元", "鹿角{form} 摆件", "树脂{form} 工艺品", "酸枝木{form} {price}", "菩提根{form} {number}颗", "玉化砗磲{form}",
        "非料粒 塑料 {carrier}", "亚料 布料 {noun}", "原牙色 树脂义齿 {noun}", "整牙 矫正 {noun}", "黑犀牛 喷墨 {noun}",
    ],
    "en": [
        "ivory lace {noun} size {number}", "{noun} in ivory", "ivory satin {noun} {price}", "ivory white {noun} {carrier}", "faux ivory {form}, resin", "tagua nut vegetable ivory {form}", "ox bone {form} {number} g", "French ivory celluloid {form}",
        "rhino 3d modelling software", "rhino plush toy", "rhino roof rack {carrier}", "rhino liner {noun}", "buffalo horn {form} {price}", "cow horn {form} handmade", "car horn {noun} {number} db", "french horn brass {carrier}",
        "pangolin plush {noun}", "pangolin enamel pin", "digital kitchen scales {number} kg", "knife scales micarta {carrier}", "brass postal scales antique", "fish scale pattern {noun}", "armour scales leather costume", "bone china {noun} {price}", "elephant ornament wood {number} cm",
        "not ivory, resin {form} {price}", "bone carved {form}, not ivory",
    ],
}
NOUNS = {
    "zh": "口红 连衣裙 窗帘 钢笔 沙发 油漆 毛衣 婚纱 墙漆 皮鞋 桌布 台灯 背包 手机壳 床单 指甲油 瓷砖 蕾丝".split(),
    "en": ["dress", "wedding dress", "shawl", "blouse", "curtains", "mug", "paint", "keyboard", "sofa cover", "scarf", "case", "shoes"],
}
NEWS = {
    "zh": [
        "{place}海关查获{name}{number}公斤", "警方破获一起贩卖{name}案，抓获{number}人", "保护野生动物，拒绝购买{name}", "被告人非法收购{name}{number}克，被判处有期徒刑", "没有买卖就没有杀害，{name}贸易必须停止",
        "博物馆展出清代{name}制品", "法院审理一起走私{name}案", "专家呼吁加强对{name}交易的监管", "{place}公安机关缴获疑似{name}制品{number}件", "公益宣传：买卖{name}违法",
    ],
    "en": [
        "Customs at {place} seize {number} kg of {name}", "Police arrest {number} suspects over illegal {name} trade", "Say no to {name}: protect wildlife", "Court jails man for smuggling {name}", "The museum shows 18th century {name} carvings",
        "New report on the global trade in {name}", "Campaigners call for a ban on {name}", "Study: demand for {name} falls in {place}",
    ],
}
PLACES = {"zh": "北京 上海 广州 深圳 昆明 南宁 厦门 青岛".split(), "en": ["Hong Kong", "London", "Nairobi", "Singapore", "Hanoi", "Lagos"]}
TRADITIONAL = str.maketrans("犸鳞黄杯雕镯亚黑纯传级货价买卖联系", "獁鱗黃盃雕鐲亞黑純傳級貨價買賣聯繫")
SOUNDS_LIKE = {"象牙": ["象丫", "向牙", "相牙", "xy", "像牙", "xiangya", "🐘牙"], "犀牛角": ["犀牛交", "xnj", "西牛角", "🦏角"], "犀角": ["西角", "xj", "犀交"], "穿山甲": ["川山甲", "csj", "穿山jia", "串山甲"], "山甲": ["山jia", "三甲片", "shan甲"]}
LEET = str.maketrans("oiea", "013@")


def obfuscate(text: str, name: str, rng: random.Random) -> str:
    """One of the ways sellers hide a word."""
    way = rng.randrange(6)
    if re.match(r"[a-zA-Z]", name):
        hidden = name.translate(LEET) if way < 3 else rng.choice([".", "*", " ", "-"]).join(name) if way == 3 else name.replace("o", "0").replace("i", "1")
    elif way <= 1:
        hidden = rng.choice([".", "☆", "_", " ", "*", "\u200b", "·"]).join(name)
    elif way == 2:
        hidden = name.translate(TRADITIONAL)
    else:
        key = next((key for key in SOUNDS_LIKE if key in name), None)
        hidden = name.replace(key, rng.choice(SOUNDS_LIKE[key])) if key else rng.choice([".", "☆", "_"]).join(name)
    return text.replace(name, hidden)


def split_of(text: str) -> str:
    """By the text without digits and punctuation, so that near-duplicates stay together."""
    bare = re.sub(r"[\W\d_]+", "", text.lower())
    share = int.from_bytes(hashlib.sha256(bare.encode()).digest()[:4]) / 2**32
    return "train" if share < 0.6 else "calibration" if share < 0.75 else "test"


class Corpus:
    def __init__(self, data: Path) -> None:
        self.rng, self.rows = random.Random(SEED), []
        self.data = data / "text"
        self.carriers = {lang: [line.strip() for line in (self.data / f"negatives_{lang}.txt").open(encoding="utf-8")] for lang in ("zh", "en")}

    def add(self, text: str, lang: str, label: str, source: str, slice_: str = "plain", split: str = "") -> None:
        text = re.sub(r"\s+", " ", text).strip()
        self.rows.append({"text": text, "lang": lang, "label": label, "split": split or split_of(text), "source": source, "slice": slice_})

    def carrier(self, lang: str, split: str) -> str:
        """A short real benign title of the same split."""
        while True:
            text = self.rng.choice(self.carriers[lang])
            if len(text) < (18 if lang == "zh" else 60) and split_of(text) == split:
                return text

    def fill(self, pattern: str, lang: str, split: str, category: str = "ivory", name: str = "") -> str:
        rng = self.rng
        forms, tails = (FORMS[category], TAILS) if lang == "zh" else (ENGLISH_FORMS[category], [""])
        return pattern.format(
            name=name, form=rng.choice(forms), tail=rng.choice(tails), tail2=rng.choice(tails), number=rng.randint(2, 300), number2=rng.randint(0, 9), price=rng.choice([68, 120, 280, 500, 880, 1200, 3500, 9800]),
            unit=rng.choice("件 个 串 块 对".split()), noun=rng.choice(NOUNS[lang]), carrier=self.carrier(lang, split), place=rng.choice(PLACES[lang]),
        )

    def offers(self, category: str, lang: str, count: int) -> None:
        names = NAMES[category] if lang == "zh" else ENGLISH[category]
        seen = names[: -(len(names) // 3)]
        patterns, test_patterns = (PATTERNS, TEST_PATTERNS) if lang == "zh" else (ENGLISH_PATTERNS, ENGLISH_TEST_PATTERNS)
        for _ in range(count):
            split = self.rng.choices(["train", "calibration", "test"], [0.7, 0.15, 0.15])[0]
            held_out = split == "test"
            name = self.rng.choice(names[len(seen) :] if held_out else seen)
            text = self.fill(self.rng.choice(test_patterns if held_out else patterns), lang, split, category, name)
            hidden = self.rng.random() < 0.3
            text = obfuscate(text, name, self.rng) if hidden else text
            self.add(text, lang, category, "generated", ("held_out_" if held_out else "seen_") + ("obfuscated" if hidden else "plain"), split)

    def pairs(self, lang: str, count: int) -> None:
        """Benign uses of the same words. A fifth of the patterns is for testing only."""
        for _ in range(count):
            index = self.rng.randrange(len(BENIGN[lang]))
            split = "test" if index % 5 == 4 else self.rng.choices(["train", "calibration"], [0.8, 0.2])[0]
            self.add(self.fill(BENIGN[lang][index], lang, split), lang, "benign", "generated", "look_alike", split)

    def news(self, lang: str, count: int) -> None:
        for _ in range(count):
            index = self.rng.randrange(len(NEWS[lang]))
            split = "test" if index % 5 == 4 else self.rng.choices(["train", "calibration"], [0.8, 0.2])[0]
            category = self.rng.choice(["ivory", "pangolin_scale", "rhino_horn"])
            name = self.rng.choice((NAMES if lang == "zh" else ENGLISH)[category][:5])
            self.add(self.fill(NEWS[lang][index], lang, split, category, name), lang, "conservation", "generated", "news", split)

    def real(self) -> None:
        for lang in ("zh", "en"):
            for text in self.carriers[lang]:
                self.add(text, lang, "benign", f"negatives_{lang}", "title")
        labels = {"pangolin": "pangolin_scale", "other_wildlife": "other"}
        for line in (self.data / "examples.jsonl").open(encoding="utf-8"):
            row = json.loads(line)
            label = labels.get(row["label"], row["label"])
            if label == "benign" and re.search("mammoth", row["text"], re.I):
                label = "mammoth"
            self.add(row["text"], row["lang"], label, "examples", "real")
        # Catalogue entries read like dealers' posts and are not offers: they are tested on and never trained on.
        museum = [json.loads(line) for line in (self.data / "museum_ivory_en.jsonl").open(encoding="utf-8")]
        for row in self.rng.sample(museum, 400):
            self.add(row["text"], "en", "conservation", "museum", "museum", "test")


def main(data: Path, out: Path) -> None:
    corpus = Corpus(data)
    corpus.real()
    for category in NAMES:
        corpus.offers(category, "zh", OFFERS // (2 if category == "mammoth" else 1))
        corpus.offers(category, "en", OFFERS // 3)
    corpus.pairs("zh", 9000), corpus.pairs("en", 4000), corpus.news("zh", 2000), corpus.news("en", 1200)
    unique, seen = [], set()
    for row in corpus.rows:
        if row["text"] and row["text"] not in seen:
            seen.add(row["text"])
            unique.append(row)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in unique), encoding="utf-8")
    print(f"{len(unique)} texts")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
