"""From Ximilar's fashion taxonomy to the words this project's clients know. The one place that says how.

Which features Ximilar gives depends on the category, and their names have changed, so each is optional:

    ours          Ximilar's, the first that is there
    category      the object's `name` ("Dress"); `Category` ("Clothing/Dresses"), then `Top Category`, each by the
                  table CATEGORIES, else its last part in the singular
    type          `Subcategory` ("bomber jackets"), then `Category`: the last part in the singular, in lower case,
                  with underscores ("bomber_jacket"); what is worn in pairs keeps its plural ("skinny_jeans")
    color         `Color`
    material      `Material`
    pattern       `Design`, `Pattern`, `Pattern and Material`; by the table PATTERNS, else as it is
    color_hex     not in the tags: the largest dominant colour

A category to search in goes the other way: the collection holds the catalogue's own words, which were written by
people, so it is looked for as it was asked for, in lower case, in upper case, Capitalized and In Title Case.
Another mixture of cases is not found by Ximilar.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import envelope, fields
from .answers import Tags

CATEGORIES: Mapping[str, str] = {
    "clothing/dresses": "Dress",
    "clothing/jackets": "Jacket",
    "clothing/jackets and coats": "Jacket",
    "clothing/pants": "Pants",
    "clothing/upper": "Top",
    "footwear": "Shoes",
    "jewellery": "Jewellery",
    "bags": "Bag",
    "accessories": "Accessory",
    "underwear": "Underwear",
    "watches": "Watch",
}
PATTERNS: Mapping[str, str] = {"plain": "solid", "solid color": "solid", "one color": "solid"}
PATTERN_FEATURES = ("Design", "Pattern", "Pattern and Material")

# Names of one thing that end as a plural does.
_PAIRS = frozenset(
    (
        *("pants", "jeans", "trousers", "shorts", "leggings", "joggers", "tights", "overalls", "culottes"),
        *("shoes", "boots", "sneakers", "sandals", "heels", "loafers", "slippers", "trainers", "pumps"),
        *("glasses", "sunglasses", "socks", "gloves", "mittens", "earrings", "cufflinks", "underpants"),
        *("panties", "briefs", "knickers", "trunks", "stockings", "chinos", "jeggings", "sweatpants"),
        *("booties", "espadrilles", "pyjamas", "pajamas", "dungarees", "clothes"),
    )
)
# What the endings would make another word of.
_IRREGULAR: Mapping[str, str] = {
    **{f"{word}s": word for word in ("beanie", "bowtie", "hoodie", "necktie", "onesie", "tie")},
    **{"headscarves": "headscarf", "scarves": "scarf"},
}
_ENDINGS = (
    ("ies", "y"),
    ("sses", "ss"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("xes", "x"),
    ("ss", "ss"),
    ("s", ""),
)
_NOT_IN_A_TYPE = re.compile(r"[^a-z0-9]+")


def category(found: Mapping[str, Any]) -> str | None:
    """Return the category of a detected object."""
    name = fields.text(found.get("name"))
    return name or _general(found.get("Category")) or _general(found.get("Top Category"))


def tags(record: Mapping[str, Any]) -> Tags:
    """Return what a tagged record says, without the hex of its colour."""
    features = envelope.mapping(record.get("_tags"))
    simple = envelope.mapping(record.get("_tags_map"))

    def name(feature: str) -> str | None:
        tag = fields.best(features.get(feature))
        return fields.text(tag.get("name")) or fields.text(simple.get(feature))

    kind = name("Subcategory") or name("Category")
    pattern = next(filter(None, map(name, PATTERN_FEATURES)), None)
    return Tags(
        type=_type(kind) if kind else None,
        color=name("Color"),
        material=name("Material"),
        pattern=pattern and PATTERNS.get(pattern.lower(), pattern),
    )


def spellings(wanted: str) -> list[str]:
    """Return the spellings of a category that are looked for in the collection."""
    forms = (wanted, wanted.lower(), wanted.upper(), wanted.capitalize(), wanted.title())
    return list(dict.fromkeys(forms))


def singular(words: str) -> str:
    """Return an English name in the singular, unless it is that of a pair."""
    start, space, last = words.rpartition(" ")
    if last.lower() in _PAIRS:
        return words
    if irregular := _IRREGULAR.get(last.lower()):
        return f"{start}{space}{irregular}"
    for plural, ending in _ENDINGS:
        if last.lower().endswith(plural) and len(last) > len(plural) + 1:
            return f"{start}{space}{last[: -len(plural)]}{ending}"
    return words


def _general(value: object) -> str | None:
    path = fields.text(value)
    if path is None:
        return None
    return CATEGORIES.get(path.lower()) or singular(path.rpartition("/")[2]).capitalize() or None


def _type(name: str) -> str | None:
    word = singular(name.rpartition("/")[2].strip()).lower()
    return _NOT_IN_A_TYPE.sub("_", word).strip("_") or None
