"""Renders shop pages with words in them, and tells how many of the offer words a server reads.

    shop_pages.py render OUT [--count 200] [--seed 1] [--photos DIR]
    wildwarden classify --embedded --json --models MODELS --policy POLICY --images-root OUT < OUT/listings.jsonl > OUT/answers.jsonl
    shop_pages.py measure OUT

Half of OUT's pages offer what the policy names (its Chinese claims and code words); the others sell harmless things in the same layouts,
half of them with a look-alike's name. A page is a photo of --photos or a plain ground, a headline, a price, selling points and sometimes
how to reach the seller, in one of the fonts of the system that have Chinese: bars, outlines, watermarks, turned by up to 8 degrees, 480
to 1000 pixels wide, JPEG of quality 50 to 92. The listing's title says nothing. POLICY decides who is read: measure with profile =
"thorough". Needs Pillow, and fonts (Debian: fonts-noto-cjk fonts-wqy-zenhei fonts-wqy-microhei fonts-arphic-ukai fonts-arphic-uming).
"""

import argparse
import json
import random
import subprocess
import sys
import tomllib
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

POLICY = Path(__file__).parents[2] / "models/policy.toml"
KINDS = ["手串", "吊坠", "摆件", "雕件", "把件", "手镯", "印章", "筷子", "挂件", "原料", ""]
HARMLESS = ["小叶紫檀手串", "和田玉吊坠", "黄花梨摆件", "桃木梳子", "青花瓷茶具", "菩提根手串", "蜜蜡吊坠", "陶瓷花瓶", "牛角梳", "贝壳手链", "琥珀手镯", "竹雕笔筒"]
POINTS = ["老料包浆", "支持鉴定", "纯手工雕刻", "全国包邮", "七天无理由", "收藏级品质", "现货秒发", "高端大气", "送礼佳品", "假一赔十", "库存不多", "欢迎选购"]
CONTACTS = ["微信：cang{n}bao", "加V {phone}", "电话 {phone}", "QQ {n}88", "VX: laoliao{n}"]


def offers() -> list[str]:
    """Chinese claims and code words of the policy's lexicon, those that stand for the product whoever writes them."""
    groups = tomllib.loads(POLICY.read_text())["lexicon"]
    named = [term for group in groups if group["kind"] in ("claim", "code_word") and not group.get("only_disguised") for term in group["terms"]]
    is_han = lambda term: all("一" <= letter <= "鿿" for letter in term)
    return sorted({term for term in named if is_han(term)})


def fonts() -> list[str]:
    listed = subprocess.run(["fc-list", ":lang=zh-cn", "file"], capture_output=True, text=True, check=True).stdout
    found = sorted({line.rstrip().rstrip(":") for line in listed.splitlines() if line.strip()})
    return found or sys.exit("no font with Chinese: install fonts-noto-cjk or fonts-wqy-zenhei")


def ground(rng: random.Random, size: tuple[int, int], photos: list[Path]) -> Image.Image:
    """A photo that fills the page, or a plain colour."""
    if not photos or rng.random() < 0.25:
        return Image.new("RGB", size, tuple(rng.randrange(256) for _ in range(3)))
    photo = Image.open(rng.choice(photos)).convert("RGB")
    scale = max(size[0] / photo.width, size[1] / photo.height)
    photo = photo.resize((round(photo.width * scale) + 1, round(photo.height * scale) + 1))
    return photo.crop((0, 0, *size))


def write(rng: random.Random, page: Image.Image, words: str, font: ImageFont.FreeTypeFont, middle: tuple[float, float], watermark: bool) -> None:
    """Words on the page: on a bar, with an outline, or faint across it; turned a little."""
    left, top, right, below = font.getbbox(words, stroke_width=2)
    margin = font.size // 3
    patch = Image.new("RGBA", (right - left + 2 * margin, below - top + 2 * margin), (0, 0, 0, 0))
    draw = ImageDraw.Draw(patch)
    bright = rng.random() < 0.5
    ink = tuple(rng.randrange(190, 256) if bright else rng.randrange(0, 70) for _ in range(3))
    against = tuple(255 - value for value in ink)
    place = (margin - left, margin - top)
    if watermark:
        draw.text(place, words, (*ink, 150), font, stroke_width=1, stroke_fill=(*against, 90))
    elif rng.random() < 0.5:
        draw.rounded_rectangle((0, 0, patch.width - 1, patch.height - 1), margin, (*against, 255))
        draw.text(place, words, (*ink, 255), font)
    else:
        draw.text(place, words, (*ink, 255), font, stroke_width=max(2, font.size // 14), stroke_fill=(*against, 255))
    turned = rng.uniform(-20, 20) if watermark else rng.choice([0, 0, 0, rng.uniform(-8, 8)])
    patch = patch.rotate(turned, expand=True, resample=Image.Resampling.BICUBIC)
    page.paste(patch, (round(middle[0] - patch.width / 2), round(middle[1] - patch.height / 2)), patch)


def render(rng: random.Random, headline: str, photos: list[Path], faces: list[str]) -> tuple[Image.Image, str | None]:
    """A page, and the way to reach its seller, if it shows one."""
    width, height = rng.choice([(750, 1000), (800, 800), (1000, 1000), (600, 800), (480, 640)])
    page = ground(rng, (width, height), photos)
    face = rng.choice(faces)
    number = rng.randrange(1000, 10**5)
    contact = rng.choice(CONTACTS).format(n=number, phone=f"13{rng.randrange(10**8, 10**9)}") if rng.random() < 0.5 else None
    lines = [headline, f"¥{rng.randrange(1, 400) * 10}", *rng.sample(POINTS, rng.randrange(1, 4)), *filter(None, [contact])]
    largest = min(width / (len(headline) + 1.5), height / 9)
    for place, words in enumerate(lines):
        size = largest if place == 0 else rng.uniform(0.4, 0.7) * largest
        size = max(18, min(size, (width - 20) / (len(words) + 1.5)))
        at = (width / 2 + rng.uniform(-0.04, 0.04) * width, height * (0.09 + 0.82 * place / max(1, len(lines) - 1)))
        write(rng, page, words, ImageFont.truetype(face, round(size)), at, watermark=place == 2 and rng.random() < 0.2)
    return page, contact


def render_all(out: Path, count: int, seed: int, photos: list[Path]) -> None:
    rng, faces, named = random.Random(seed), fonts(), offers()
    (out / "pages").mkdir(parents=True, exist_ok=True)
    with (out / "listings.jsonl").open("w") as listings, (out / "truth.jsonl").open("w") as truth:
        for number in range(count):
            is_offer = number % 2 == 0
            word = rng.choice(named) if is_offer else rng.choice(HARMLESS)
            headline = word + (rng.choice(KINDS) if is_offer and len(word) < 5 else "")
            page, contact = render(rng, headline, photos, faces)
            name = f"pages/{number:04}.jpg"
            page.save(out / name, quality=rng.randrange(50, 93))
            listings.write(json.dumps({"listing_id": f"{number:04}", "title": "文玩", "images": [name]}, ensure_ascii=False) + "\n")
            truth.write(json.dumps({"listing_id": f"{number:04}", "word": word, "offer": is_offer, "contact": contact}, ensure_ascii=False) + "\n")


def squeezed(text: str) -> str:
    return "".join(text.split())


def measure(out: Path) -> None:
    """Prints shares: offer words read, pages that mean REVIEW, contacts noted; and what harmless pages were taken for."""
    truth = {row["listing_id"]: row for row in map(json.loads, (out / "truth.jsonl").read_text().splitlines())}
    rows = []
    for answer in map(json.loads, (out / "answers.jsonl").read_text().splitlines()):
        answer = answer.get("response", answer)
        written = [text.get("written", {}) for text in answer.get("texts", []) if text.get("field") == "TEXT_FIELD_IMAGE"]
        row = truth[answer["listing_id"]]
        read = squeezed("".join(text.get("text", "") for text in written))
        rows.append(
            {
                **row,
                "found": row["word"] in read,
                "review": answer["suggestion"] != "SUGGESTION_PASS",
                "noted": any(text.get("contacts") for text in written),
                "reason": any(reason["code"] == "REASON_CODE_TEXT_IN_IMAGE" for reason in answer.get("reasons", [])),
                "ms": int(answer.get("timings", {}).get("words_us", 0)) / 1e3,
            }
        )
    share = lambda part: f"{sum(part)} of {len(part)} ({sum(part) / max(1, len(part)):.3f})"
    offered, harmless = [row for row in rows if row["offer"]], [row for row in rows if not row["offer"]]
    print("offer words read:", share([row["found"] for row in offered]))
    print("words of harmless pages read:", share([row["found"] for row in harmless]))
    print("offers at REVIEW or BLOCK:", share([row["review"] for row in offered]), "with TEXT_IN_IMAGE:", share([row["reason"] for row in offered]))
    print("harmless at REVIEW or BLOCK:", share([row["review"] for row in harmless]), "with TEXT_IN_IMAGE:", share([row["reason"] for row in harmless]))
    print("contacts noted:", share([row["noted"] for row in rows if row["contact"]]), "noted without one:", share([row["noted"] for row in rows if not row["contact"]]))
    times = sorted(row["ms"] for row in rows)
    print(f"ms a page to find and read words: median {times[len(times) // 2]:.0f}, longest {times[-1]:.0f}")
    print("offers missed:", ", ".join(f"{row['listing_id']} {row['word']}" for row in offered if not row["found"]) or "none")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["render", "measure"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--photos", type=Path)
    options = parser.parse_args()
    if options.step == "measure":
        return measure(options.out)
    photos = sorted(path for path in options.photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png")) if options.photos else []
    render_all(options.out, options.count, options.seed, photos)


if __name__ == "__main__":
    main()
