"""The products of the sample catalogue: what each is called, costs and looks like."""

from __future__ import annotations

from dataclasses import dataclass

from ops.local.drawing import accessories as a
from ops.local.drawing import clothes as c
from ops.local.drawing import fabrics as f
from ops.local.drawing.photo import Look


@dataclass(frozen=True, slots=True)
class Item:
    """One product; it has `views` photos."""

    brand: str
    name: str
    category: str
    price: str
    views: int
    look: Look


ITEMS = (
    Item("Alba", "Poppy summer dress", "dress", "389.00", 3,
         Look(c.summer_dress, f.flowers, "#c8323c", "#fff3e4", "#7d1a24", "#f3e3d3")),
    Item("Alba", "Polka shift dress", "dress", "429.00", 2,
         Look(c.shift_dress, f.dots, "#26355d", "#f4f1ea", "#f4f1ea", "#dfe6ee")),
    Item("Solstice", "Emerald evening gown", "dress", "1290.00", 3,
         Look(c.evening_gown, f.plain, "#0f6b4f", "#0f6b4f", "#0a3d2e", "#e9ddcf")),
    Item("Solstice", "Sunset evening gown", "dress", "1150.00", 2,
         Look(c.evening_gown, f.fade, "#f5b14c", "#c43a6b", "#8e2453", "#efe7f1")),
    Item("Marina", "Lemon gingham dress", "dress", "349.00", 2,
         Look(c.summer_dress, f.checks, "#fdf8e8", "#e8c22e", "#c79a12", "#dcebe6")),
    Item("Kestrel", "Sky oxford shirt", "shirt", "259.00", 2,
         Look(c.shirt, f.plain, "#9cc4e4", "#9cc4e4", "#c3dff2", "#eee6da")),
    Item("Kestrel", "Lumberjack shirt", "shirt", "299.00", 3,
         Look(c.shirt, f.tartan, "#b3262e", "#1e1a1c", "#7f181f", "#dcd8cc")),
    Item("Fjord", "Pinstripe shirt", "shirt", "279.00", 1,
         Look(c.shirt, f.pinstripes, "#f7f5f0", "#7d8ca3", "#ffffff", "#bfc9c2")),
    Item("Fjord", "Breton top", "t-shirt", "149.00", 2,
         Look(c.t_shirt, f.stripes, "#f8f4ea", "#1f3a68", "#1f3a68", "#e6d6c3")),
    Item("Quay", "Mint tee", "t-shirt", "99.00", 1,
         Look(c.t_shirt, f.plain, "#8fd3b6", "#8fd3b6", "#5fae8f", "#f3e1e3")),
    Item("Quay", "Violet dip-dye tee", "t-shirt", "129.00", 2,
         Look(c.t_shirt, f.fade, "#f1e6fa", "#6a3fa0", "#6a3fa0", "#e4e9d6")),
    Item("Nord", "Oatmeal sweater", "sweater", "459.00", 2,
         Look(c.sweater, f.knit, "#d9c6a5", "#b59c74", "#c2aa82", "#c9d6dc")),
    Item("Nord", "Zigzag ski sweater", "sweater", "519.00", 3,
         Look(c.sweater, f.zigzag, "#1c5d73", "#f2e9d8", "#d9622b", "#e9e9ec")),
    Item("Ember", "Charcoal blazer", "jacket", "899.00", 2,
         Look(c.jacket, f.pinstripes, "#3b3d44", "#6d7079", "#2c2d33", "#e4dccf")),
    Item("Ember", "Terracotta blazer", "jacket", "849.00", 1,
         Look(c.jacket, f.plain, "#c0603a", "#c0603a", "#97462a", "#dfe5e0")),
    Item("Harbour", "Camel trench coat", "coat", "1490.00", 3,
         Look(c.coat, f.plain, "#c29a63", "#c29a63", "#94703f", "#d6dee4")),
    Item("Harbour", "Houndstooth coat", "coat", "1590.00", 2,
         Look(c.coat, f.checks, "#ece9e3", "#232326", "#232326", "#e9cfd0")),
    Item("Fjord", "Navy trousers", "trousers", "389.00", 2,
         Look(c.trousers, f.plain, "#2b3350", "#2b3350", "#20263d", "#ece2d2")),
    Item("Marina", "Olive trousers", "trousers", "359.00", 1,
         Look(c.trousers, f.plain, "#76803f", "#76803f", "#59612d", "#e8e0ea")),
    Item("Quay", "Indigo jeans", "jeans", "329.00", 3,
         Look(c.jeans, f.denim, "#35507f", "#6f8dbd", "#2a4069", "#ecdcc6")),
    Item("Quay", "Pineapple shorts", "shorts", "189.00", 2,
         Look(c.shorts, f.dots, "#1aa3a0", "#ffd23f", "#ffffff", "#fbe6d4")),
    Item("Alba", "Coral flared skirt", "skirt", "279.00", 2,
         Look(c.flared_skirt, f.plain, "#f2796b", "#f2796b", "#c7503f", "#d8e8ea")),
    Item("Solstice", "Plum pencil skirt", "skirt", "319.00", 1,
         Look(c.pencil_skirt, f.tartan, "#6b2c57", "#d6a5c6", "#46183a", "#ebe6d4")),
    Item("Harbour", "Straw sun hat", "hat", "159.00", 2,
         Look(a.brimmed_hat, f.knit, "#e7cd8c", "#c2a05a", "#b5342f", "#cfe3ee")),
    Item("Nord", "Bobble hat", "hat", "119.00", 2,
         Look(a.beanie, f.stripes, "#d8384c", "#f7efe6", "#a82536", "#d9e0e6")),
    Item("Kestrel", "Racing green cap", "hat", "99.00", 1,
         Look(a.cap, f.plain, "#1d5a3c", "#1d5a3c", "#e0b64a", "#f0e2dd")),
    Item("Quay", "White sneaker", "shoes", "449.00", 3,
         Look(a.sneaker, f.plain, "#f3f1ee", "#f3f1ee", "#e8663d", "#a9c3cf")),
    Item("Ember", "Scarlet pump", "shoes", "649.00", 2,
         Look(a.pump, f.plain, "#d11f3a", "#d11f3a", "#f3c94d", "#f1e9e2")),
    Item("Harbour", "Chelsea boot", "shoes", "799.00", 1,
         Look(a.boot, f.plain, "#6e4326", "#6e4326", "#2f2018", "#d9e3d6")),
    Item("Marina", "Market tote", "bag", "219.00", 2,
         Look(a.tote, f.stripes, "#f4ecd9", "#2f7f86", "#a4562c", "#f0d9c8")),
    Item("Solstice", "Rose handbag", "bag", "990.00", 2,
         Look(a.handbag, f.plain, "#e59bb0", "#e59bb0", "#c86f8b", "#dfe9dc")),
    Item("Fjord", "Mustard backpack", "bag", "399.00", 2,
         Look(a.backpack, f.plain, "#d99a1c", "#d99a1c", "#5b4420", "#d5dde8")),
)  # fmt: skip

# The good photo of a product whose other photo is none.
SCARF = Look(a.scarf, f.tartan, "#8a8f98", "#d8b13a", "#5d6169", "#ece5da")
