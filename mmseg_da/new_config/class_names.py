"""Names of classes, from the command line or from a file."""

from pathlib import Path

from mmseg_da.errors import UserError


def class_names(text: str) -> tuple[str, ...]:
    """The names that ``--classes`` gives, in the order of their numbers.

    Args:
        text: Names with commas between them, or ``@`` and a file of one name a line.

    Raises:
        UserError: The file is missing or no UTF-8, a name is empty or there twice, or their number
            is none that a segmentor takes.
    """
    lines = _lines(text[1:]) if text.startswith('@') else text.split(',')
    names = tuple(line.strip() for line in lines)
    given = f'--classes {text}' if text.startswith('@') else '--classes'
    for number, name in enumerate(names):
        if not name:
            after = f', after {names[number - 1]!r},' if number else ''
            raise UserError(
                f'{given}: the name of class {number}{after} is empty: name every class'
            )
        if name in names[:number]:
            raise UserError(
                f'{given}: {name!r} is named twice, as the classes {names.index(name)} and {number}'
            )
    if not 2 <= len(names) <= 255:
        raise UserError(
            f'{given}: {len(names)} names; a segmentor tells 2 to 255 classes apart. What is no '
            'class of interest is a class, too, such as background'
        )
    return names


def _lines(file: str) -> list[str]:
    """The lines of a file but for empty ones at its end."""
    if not Path(file).is_file():
        raise UserError(f'--classes @{file}: no such file')
    try:
        text = Path(file).read_text(encoding='utf-8-sig')  # which some editors begin by a mark
    except UnicodeDecodeError as error:
        raise UserError(f'{file}: is no text in UTF-8 ({error}): save it as UTF-8') from None
    return text.rstrip().split('\n')
