"""What the pages of this package share: the style, and pictures inside the file."""

import html
import io
from typing import TYPE_CHECKING

from .._util.data_url import data_url

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["STYLE", "embed_plot", "embed_png"]

STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff }
body { max-width: 66rem; margin: 1.5rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; margin: 0 }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
h3 { font-size: 1rem; margin: 1rem 0 .3rem }
.headline { font-size: 1.2rem; margin: .4rem 0 1rem; padding: .5rem .8rem }
.headline { background: #eef5fa; border-left: 4px solid #0072b2 }
.note { padding: .3rem .8rem; background: #fff4d6; margin: .4rem 0; border: 1px dashed #999 }
.failed { padding: .3rem .8rem; background: #fde5d8; margin: .4rem 0; border: 2px solid #333 }
table { border-collapse: collapse; margin: .6rem 0 }
td, th { padding: .2rem .9rem .2rem 0; text-align: left; vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
td.n { white-space: nowrap }
tr + tr td { border-top: 1px solid #ddd }
.row { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start }
figure { margin: 0 } figcaption { color: #555; font-size: .875rem }
img { image-rendering: pixelated; max-width: 100%; height: auto }
img.plot { image-rendering: auto }
.small { color: #555; font-size: .875rem }
@media print {
  body { margin: 0; max-width: none; font-size: 10pt }
  h2, h3 { break-after: avoid; margin-top: 1rem }
  figure, table { break-inside: avoid }
  td, th { font-size: 9pt; padding-right: .5rem }
  .row { gap: .8rem }
  .row figure { max-width: 47% !important }
  .pairs figure { max-width: 18% !important }
  .headline { border: 1px solid #0072b2 }
  img.plot { width: auto; max-height: 6.5cm }
}
"""


def embed_plot(picture: "Figure", text: str) -> str:
    """A matplotlib Figure as HTML, with a caption."""
    memory = io.BytesIO()
    picture.savefig(memory, format="png", dpi=96)
    return embed_png(memory.getvalue(), text, 'class="plot"')


def embed_png(png: bytes, text: str, attributes: str = "", css: str = "") -> str:
    """The bytes of a PNG file as HTML, with a caption, which is also the text for those who do not see it."""
    image = f'<img {attributes} alt="{html.escape(text)}" src="{data_url(png)}">'
    return f'<figure style="{css}">{image}<figcaption>{html.escape(text)}</figcaption></figure>'
