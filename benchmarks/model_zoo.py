"""The pages and metafiles of the model zoo: a folder for each method below ``configs``.

    python benchmarks/model_zoo.py           # write them, and model-index.yml
    python benchmarks/model_zoo.py --check   # say which are out of date; exit code 1 if there are some

Nothing is typed twice: what was measured comes from the tables of `docs/benchmarks.md`, the papers' figures from
those of `docs/methods`, the networks and lengths from the configs; `zoo_families.py` says what belongs together.
"""

import argparse
import fnmatch
import itertools
import os
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config
from zoo_families import DATA, FAMILIES, Family
from zoo_figures import Row, measured, quoted

from mmseg_da.datasets.parallel import progress
from mmseg_da.engine.importing import mit_name
from mmseg_da.engine.launch import load_config
from mmseg_da.engine.stage_kinds import TRAIN
from mmseg_da.engine.stages import split
from mmseg_da.errors import UserError, user_errors

ROOT = Path(__file__).resolve().parents[1]
MARK = '<!-- Written by `python benchmarks/model_zoo.py`: change that, or what it reads. -->'
NOT_RUN = 'not run'


def names_of(root: Path = ROOT) -> list[str]:
    """Every config that trains, below ``configs`` and without ``.py``."""
    folder = root / 'configs'
    paths = (path.relative_to(folder) for path in folder.rglob('*.py'))
    return sorted(path.with_suffix('').as_posix() for path in paths if '_base_' not in path.parts)


def family_of(name: str) -> str:
    """The family of a config.

    Raises:
        UserError: There is none.
    """
    for key, family in FAMILIES.items():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in family.configs):
            return key
    raise UserError(
        f'configs/{name}.py belongs to no family: add one to benchmarks/zoo_families.py'
    )


def domains_of(name: str) -> str:
    """``GTA5 → Cityscapes`` of a config of full size, or the data that it trains on."""
    keys = sorted(DATA, key=len, reverse=True)
    for source, target in itertools.product(keys, keys):
        if name.endswith(f'_{source}2{target}'):
            return f'{DATA[source]} → {DATA[target]}'
    return DATA[name.rpartition('_')[2]]


def architecture_of(cfg: Config) -> list[str]:
    """Backbone and head of the segmentor."""
    segmentor = cfg.model.get('segmentor', cfg.model)
    backbone, head = segmentor.backbone, segmentor.decode_head
    name = backbone.type
    if 'MixVisionTransformer' in name:
        name = mit_name(backbone)
    elif 'depth' in backbone:
        name = f'{name}-{backbone.depth}'
    wrapped = [] if segmentor.type == 'EncoderDecoder' else [segmentor.type]
    return [name, head.type, *wrapped]


def length_of(cfg: Config) -> str:
    """Iterations of a training, stage by stage where there are several."""
    trainings = (
        [each.cfg for each in split(cfg) if each.kind == TRAIN] if 'stages' in cfg else [cfg]
    )
    lengths = [each.train_cfg.max_iters for each in trainings]
    runs = [(length, len(list(group))) for length, group in itertools.groupby(lengths)]
    return ' + '.join(f'{length:,}' if n == 1 else f'{n} x {length:,}' for length, n in runs)


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A table in Markdown."""
    return [f'| {" | ".join(row)} |' for row in [head, ['---'] * len(head), *rows]]


def page(key: str, names: list[str], configs: dict[str, Config], root: Path = ROOT) -> str:
    """The README of a family."""
    family = FAMILIES[key]
    lines = [f'# {family.title}', '', MARK, '']
    if family.papers:
        lines += [*(f'- [{title}]({url})' for title, url in family.papers.items()), '']
    lines.append(f'How it works, and its options: [docs/{family.page}](../../docs/{family.page}).')
    full = [name for name in names if not name.startswith('small/')]
    small = [name for name in names if name.startswith('small/')]
    if full:
        lines += ['', '## Full size', '']
        lines += table(
            ['config', 'domains', 'segmentor', 'iterations', "paper's mIoU", 'ours'],
            [_full_row(name, family, configs[name], root) for name in full],
        )
        lines += [
            '',
            "The papers' figures are theirs, of the target's validation images unless it says otherwise. Ours, on "
            'a GPU: not run.',
        ]
    if small:
        tables = measured(root)
        lines += ['', '## Small, on a CPU', '']
        lines += table(
            ['config', 'pair', 'mIoU', 'seeds', 'source-only', 'upper bound', 'gap closed'],
            [_small_row(name, tables) for name in small],
        )
        lines += [
            '',
            'Measured by us; commands, seeds and how settings were chosen: '
            '[docs/benchmarks.md](../../docs/benchmarks.md).',
        ]
    return '\n'.join(lines) + '\n'


def _link(name: str) -> str:
    return f'[{name}](../{name}.py)'


def _full_row(name: str, family: Family, cfg: Config, root: Path) -> list[str]:
    quote = family.quotes.get(name)
    figure = '–'
    if quote is not None:
        figure = quoted(quote, root) + (f' ({quote.note})' if quote.note else '')
    return [
        _link(name),
        domains_of(name),
        ', '.join(architecture_of(cfg)),
        length_of(cfg),
        figure,
        f'GPU: {NOT_RUN}',
    ]


def _small_row(name: str, tables: dict[str, dict[str, Row]]) -> list[str]:
    own, pair = _result(name, tables)
    others = [tables[pair].get(each, {}) for each in ('source_only', 'upper_bound')]
    figures = [row.get('mIoU, mean', NOT_RUN) for row in (own, *others)]
    return [
        _link(name),
        pair,
        figures[0],
        str(len(_seeds(own))) if own else '–',
        *figures[1:],
        own.get('gap closed', '–') if figures[0] != NOT_RUN else '–',
    ]


def _result(name: str, tables: dict[str, dict[str, Row]]) -> tuple[Row, str]:
    method, _, pair = name.removeprefix('small/').rpartition('_')
    if pair not in tables:
        raise UserError(f'docs/benchmarks.md has no table of the pair {pair} of configs/{name}.py')
    row = tables[pair].get(method, {})
    return (row, pair) if _seeds(row) else ({}, pair)


def _seeds(row: Row) -> list[str]:
    return [key for key, cell in row.items() if key.startswith('seed ') and cell != NOT_RUN]


def metafile(key: str, names: list[str], configs: dict[str, Config], root: Path = ROOT) -> str:
    """What mim and model-index read of a family. Only what we have measured is a result.

    Its name is that of the folder, as `mim search mmseg_da --model NAME` asks for it.
    """
    family, tables = FAMILIES[key], measured(root)
    papers = [
        dict(Title=title.rpartition(' (')[0], URL=url) for title, url in family.papers.items()
    ]
    collection: dict[str, Any] = dict(Name=key, License='Apache License 2.0')
    if papers:
        collection['Paper'] = papers[0]
    collection.update(README=f'configs/{key}/README.md', Frameworks=['PyTorch'])
    models = []
    for name in names:
        small = name.startswith('small/')
        own, pair = _result(name, tables) if small else ({}, '')
        data = pair if small else domains_of(name)
        metadata = {
            'Training Data': data,
            'Architecture': architecture_of(configs[name]),
            'Iterations': length_of(configs[name]),
        }
        model: dict[str, Any] = {'Name': name, 'In Collection': key}
        model.update(Config=f'configs/{name}.py', Metadata=metadata)
        if own:
            result = dict(Task='Semantic Segmentation', Dataset=pair)
            model['Results'] = [result | dict(Metrics=dict(mIoU=float(own['mIoU, mean'])))]
        models.append(model)
    content = dict(Collections=[collection], Models=models)
    head = f'# {MARK.removeprefix("<!-- ").removesuffix(" -->")}\n'
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def files(root: Path = ROOT, show: bool = False) -> dict[Path, str]:
    """Every file of the zoo with what it has to hold.

    Raises:
        UserError: A config has no family, or a family no config.
    """
    names = names_of(root)
    families: dict[str, list[str]] = {key: [] for key in FAMILIES}
    for name in names:
        families[family_of(name)].append(name)
    for key, family in FAMILIES.items():
        missing = sorted(set(family.quotes) - set(families[key]))
        if missing or not families[key]:
            raise UserError(
                f'zoo_families.py: {key} has no config {", ".join(missing) or "at all"}'
            )
    configs = {
        name: load_config(str(root / f'configs/{name}.py'), None, 'work_dirs')
        for name in progress(names, 'Configs', show)
    }
    found = {}
    for key, own in sorted(families.items()):
        folder = root / 'configs' / key
        found[folder / 'README.md'] = page(key, own, configs, root)
        found[folder / 'metafile.yml'] = metafile(key, own, configs, root)
    imports = [f'configs/{key}/metafile.yml' for key in sorted(families)]
    found[root / 'model-index.yml'] = yaml.safe_dump(dict(Import=imports))
    return found


def out_of_date(found: dict[Path, str]) -> list[Path]:
    """Those of the files that hold something else."""
    return [path for path, text in found.items() if not path.is_file() or path.read_text() != text]


def write(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'.part-{path.name}')
    part.write_text(text)
    os.replace(part, path)


def main() -> None:
    parser = argparse.ArgumentParser(description='Write the pages and metafiles of the model zoo')
    parser.add_argument('--check', action='store_true', help='write nothing, name what is old')
    args = parser.parse_args()
    found = files(show=True)
    old = out_of_date(found)
    for path in old:
        print(f'{"out of date" if args.check else "wrote"}: {path.relative_to(ROOT)}')
        if not args.check:
            write(path, found[path])
    if args.check and old:
        raise SystemExit(1)


if __name__ == '__main__':
    with user_errors():
        main()
