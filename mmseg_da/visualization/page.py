"""Pages of text, tables and pictures in one HTML file, which needs no network."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import jinja2
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from mmseg_da.datasets.outputs import write_atomically
from mmseg_da.errors import UserError
from mmseg_da.version import __version__

Level = Literal['good', 'warning', 'bad']
LEVELS: tuple[Level, ...] = ('good', 'warning', 'bad')

_JPEG_QUALITY = 85


class Page:
    """A page that grows from top to bottom, and is written as one file.

    All text is escaped, so that names of files and classes may hold anything; nothing is loaded
    from elsewhere, and the page forbids the browser to.

    Args:
        title: Of the page.
        subtitle: A line below it.
    """

    def __init__(self, title: str, subtitle: str = '') -> None:
        self.title, self.subtitle = title, subtitle
        self._blocks: list[dict[str, Any]] = []

    def section(self, text: str) -> None:
        """Begin a section, to which the bar at the top leads."""
        number = sum(block['kind'] == 'section' for block in self._blocks)
        self._add('section', text=text, anchor=f'section-{number}')

    def heading(self, text: str) -> None:
        """Begin a part of a section."""
        self._add('heading', text=text)

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._add('text', text=text)

    def verdict(self, level: Level, text: str) -> None:
        """Add a finding: what is good, worth a look, or must be mended.

        Raises:
            ValueError: ``level`` is none of :data:`LEVELS`.
        """
        if level not in LEVELS:
            raise ValueError(f'level={level!r} is none of {", ".join(LEVELS)}')
        self._add('verdict', level=level, text=text)

    def table(
        self, header: Sequence[str], rows: Iterable[Sequence[object]], caption: str = ''
    ) -> None:
        """Add a table. Numbers stand to the right; floats have two places or, where that is
        nothing, two digits; ``None`` is –.

        Raises:
            ValueError: A row is not as long as the header.
        """
        rows = [list(row) for row in rows]
        if any(len(row) != len(header) for row in rows):
            raise ValueError(f'each row of the table must have {len(header)} cells, as its header')
        columns = list(zip(*rows, strict=True))
        numeric = [i for i, column in enumerate(columns) if all(map(_is_number, column))]
        shown = [[_cell(value) for value in row] for row in rows]
        self._add('table', header=list(header), rows=shown, numeric=numeric, caption=caption)

    def figure(self, figure: Figure, caption: str = '') -> None:
        """Add a plot of matplotlib, as vectors."""
        self._add('picture', image=_vectors(figure, caption))

    def figures(self, figures: Iterable[Figure]) -> None:
        """Add plots side by side, as many as the window is wide."""
        shown = [_vectors(figure, '') for figure in figures]
        if shown:
            self._add('pictures', images=shown, wide=True)

    def picture(self, pixels: np.ndarray, caption: str = '') -> None:
        """Add an image: RGB uint8 (H, W, 3)."""
        self._add('picture', image=_pixels(pixels, caption))

    def pictures(self, images: Mapping[str, np.ndarray]) -> None:
        """Add a grid of images, RGB uint8 (H, W, 3), each with its caption."""
        if images:
            shown = [_pixels(pixels, caption) for caption, pixels in images.items()]
            self._add('pictures', images=shown, wide=False)

    def slider(
        self, before: np.ndarray, after: np.ndarray, caption: str, tags: tuple[str, str]
    ) -> None:
        """Add two images of one size, RGB uint8 (H, W, 3), with a bar to move between them.

        Raises:
            ValueError: Their sizes differ.
        """
        if before.shape != after.shape:
            raise ValueError(f'images of {before.shape} and {after.shape} do not lie on each other')
        left, right = (_pixels(p, tag) for p, tag in zip((before, after), tags, strict=True))
        self._add('slider', before=left, after=right, caption=caption)

    def code(self, text: str, caption: str, unfolded: bool = False) -> None:
        """Add text in a fixed font, folded away behind its caption."""
        self._add('code', text=text, caption=caption, open=unfolded)

    def render(self) -> str:
        """Return the whole page as HTML."""
        loader = jinja2.FileSystemLoader(Path(__file__).parent)
        template = jinja2.Environment(loader=loader, autoescape=True).get_template('page.html')
        footer = f'Made by mmseg_da {__version__}.'
        return template.render(
            title=self.title, subtitle=self.subtitle, blocks=self._blocks, footer=footer
        )

    def write(self, file: str | Path, force: bool = False) -> None:
        """Write the page, whole or not at all; its folder is made.

        Args:
            file: Where to.
            force: Whether a file that is there may be replaced.

        Raises:
            UserError: The file is there, and ``force`` is not set; or it cannot be written.
        """
        file = Path(file)
        require_absent(file, force)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, self.render().encode())
        except OSError as error:
            raise UserError(f'{file}: cannot write the page: {error}') from None

    def _add(self, kind: str, **content: Any) -> None:
        self._blocks.append(dict(kind=kind, **content))


def require_absent(file: str | Path, force: bool) -> None:
    """Raise a :class:`UserError` if ``file`` is there and may not be replaced."""
    if Path(file).is_dir():
        raise UserError(f'{file}: is a folder; name a file to write')
    if Path(file).exists() and not force:
        raise UserError(f'{file}: is there already; give --force to replace it, or another name')


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: object) -> str:
    if value is None:
        return '–'
    if isinstance(value, float):
        return f'{value:.2f}' if value == 0 or abs(value) >= 0.01 else f'{value:.1e}'
    return f'{value:,}' if _is_number(value) else str(value)


def _vectors(figure: Figure, caption: str) -> dict[str, Any]:
    out = io.BytesIO()
    # Without a date and with fixed identifiers, so that the same plot gives the same page.
    with matplotlib.rc_context({'svg.fonttype': 'none', 'svg.hashsalt': 'mmseg_da'}):
        figure.savefig(out, format='svg', metadata={'Date': None})
    width, height = (round(float(inches) * 96) for inches in figure.get_size_inches())
    return _image(out.getvalue(), 'svg+xml', width, height, caption)


def _pixels(pixels: np.ndarray, caption: str) -> dict[str, Any]:
    """An image as PNG if it has few colours, as a label map has, else as JPEG."""
    image = Image.fromarray(pixels)
    few = image.getcolors(256) is not None
    out = io.BytesIO()
    image.save(out, **(dict(format='PNG') if few else dict(format='JPEG', quality=_JPEG_QUALITY)))
    return _image(out.getvalue(), 'png' if few else 'jpeg', *image.size, caption)


def _image(content: bytes, kind: str, width: int, height: int, caption: str) -> dict[str, Any]:
    source = f'data:image/{kind};base64,{base64.b64encode(content).decode()}'
    return dict(source=source, width=width, height=height, caption=caption)
