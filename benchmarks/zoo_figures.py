"""Figures that pages hold already: what was measured, and what papers report."""

import re
from collections.abc import Iterable
from pathlib import Path

from zoo_families import Quote

from mmseg_da.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
Row = dict[str, str]


def rows_of(text: str) -> Iterable[list[str]]:
    """The rows of Markdown's tables, without their rules."""
    for line in text.splitlines():
        if line.startswith('|') and not re.fullmatch(r'[|:\- ]+', line):
            yield [cell.strip() for cell in line.strip().strip('|').split('|')]


def measured(root: Path = ROOT) -> dict[str, dict[str, Row]]:
    """What `docs/benchmarks.md` says: by pair and method, the cells by the names of columns.

    Raises:
        UserError: It has no such tables.
    """
    file = root / 'docs/benchmarks.md'
    found = re.search(
        r'<!-- adaptation: begin -->(.*?)<!-- adaptation: end -->', file.read_text(), re.DOTALL
    )
    if found is None:
        raise UserError(f'{file}: there are no tables between the comments "adaptation"')
    tables = {}
    for section in found[1].split('\n### ')[1:]:
        pair, _, text = section.partition('\n')
        head, *rows = rows_of(text)
        tables[pair.strip()] = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    return tables


def quoted(quote: Quote, root: Path = ROOT) -> str:
    """A figure of a paper, as the page on the method quotes it.

    Raises:
        UserError: The page has no such row or number.
    """
    file = root / f'docs/methods/{quote.page}.md'
    found = [row for row in rows_of(file.read_text()) if row[0] == quote.row]
    cell = found[0][quote.column] if found and len(found[0]) > quote.column else ''
    numbers = re.findall(r'\d+\.\d+', cell)
    if len(numbers) <= quote.item:
        raise UserError(
            f'{file}: no number {quote.item} in cell {quote.column} of row {quote.row!r}'
        )
    return numbers[quote.item]
