"""Starting from a checkpoint of other classes."""

from collections import Counter
from collections.abc import Mapping, Sequence

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_da.engine.class_sets import (
    Surgery,
    classes_in,
    classifier_layers,
    first_difference,
    matching_rows,
    operate,
    start_teacher_over,
    starts_training,
    training_classes,
    weights_in,
)
from mmseg_da.engine.fitting import unwrapped
from mmseg_da.errors import UserError
from mmseg_da.registry import HOOKS

_MODES = ('drop', 'remap', 'keep')


@HOOKS.register_module()
class ClassSurgeryHook(Hook):
    """Has the classifier of a checkpoint fit the classes of the training that starts from it.

    Acts on ``load_from`` of a training, before the weights reach the model; not on a resume, and
    not in a test. The classifiers are the layers ``conv_seg`` of every head, auxiliary ones
    included, in a plain segmentor and in an adaptor. Everything else is loaded as it is; but where
    a class starts anew, a teacher begins as a copy of the segmentor. The log says what was loaded,
    copied and left as it was initialised.

    Args:
        mode: ``'drop'`` leaves every classifier as the model has initialised it (weights N(0, 0.01)
            and biases 0 in mmseg). ``'remap'`` copies the rows of classes that have the same name,
            whatever their numbers; the other rows stay as initialised. ``'keep'`` takes the
            classifier as it is, and only if names and order of the classes are the same.
        names: The checkpoint's name of a class of the training data, where it has another:
            ``{'motorbike': 'motorcycle'}``. ``None`` for a class that is none of the checkpoint's,
            though it has the name of one. Case does not matter in classes that are not named here.
        source_classes: Classes of the checkpoint, in order, for one that does not say them.
        layers: Names of the layers that give a score per class, if not those above.

    Attributes:
        report: What became of each weight, once a checkpoint was loaded.
        decides_on_classes: The runner leaves it to this hook what other classes mean.

    Raises:
        UserError: ``mode`` is unknown; while loading, ``'keep'`` where classes differ, ``'remap'``
            where none is shared or the checkpoint does not say its classes, names that are none, or
            no classifier to change.
    """

    decides_on_classes = True
    priority = 'VERY_HIGH'  # before anything looks at what is loaded

    def __init__(
        self,
        mode: str,
        names: Mapping[str, str | None] | None = None,
        source_classes: Sequence[str] | None = None,
        layers: Sequence[str] | None = None,
    ) -> None:
        if mode not in _MODES:
            raise UserError(f'ClassSurgeryHook: mode is {mode!r}, not one of {", ".join(_MODES)}')
        if names is not None and not isinstance(names, Mapping):
            raise UserError(
                f'ClassSurgeryHook: names is {names!r}, but has to be a dict of the name here and the '
                'name in the checkpoint'
            )
        self.mode, self.names = mode, dict(names or {})
        self.source_classes = None if source_classes is None else tuple(source_classes)
        self.layers = None if layers is None else set(layers)
        self.report: Surgery | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Change the classifiers, and say what becomes of everything."""
        if not starts_training(runner):
            return
        model, ours = unwrapped(runner.model), training_classes(runner)
        theirs = self.source_classes or classes_in(checkpoint)
        rows = self._rows(theirs, ours)
        sizes = (None if theirs is None else len(theirs), len(ours))
        layers = self.layers or classifier_layers(model)
        report = operate(weights_in(checkpoint), model, rows, sizes, layers)
        if theirs is not None and rows:
            report.copied = {ours[here]: theirs[there] for here, there in rows.items()}
        if rows is not None:
            report.anew = [name for name in ours if name not in report.copied]
        self.report = report
        said = _described(self.mode, report, theirs, ours)
        if report.anew and start_teacher_over(weights_in(checkpoint)):
            said += '\n  the teacher: becomes a copy of the segmentor in the first iteration'
        runner.logger.info(said)

    def _rows(self, theirs: tuple[str, ...] | None, ours: tuple[str, ...]) -> dict[int, int] | None:
        """The rows to copy; none at all for ``'drop'``, and ``None`` for ``'keep'``."""
        if self.mode == 'drop':
            return {}
        if theirs is None:
            raise UserError(
                f'ClassSurgeryHook: the checkpoint does not say its classes, which mode={self.mode!r} '
                "compares: give them, in order, as source_classes=[...], or set mode='drop'"
            )
        rows = matching_rows(theirs, ours, self.names)
        if self.mode == 'keep':
            self._require_same(theirs, ours)
            return None
        if not rows:
            raise UserError(
                f"ClassSurgeryHook: mode='remap', but no class of the training data, {list(ours)}, is one "
                f"of the checkpoint's, {list(theirs)}. Set names={{...}}, or mode='drop'"
            )
        return rows

    def _require_same(self, theirs: tuple[str, ...], ours: tuple[str, ...]) -> None:
        instead = "Set mode='remap' to copy classes by name, or mode='drop' to start anew"
        if len(theirs) != len(ours):
            raise UserError(
                f"ClassSurgeryHook: mode='keep', but the checkpoint has {len(theirs)} classes and the "
                f'training data {len(ours)}. {instead}'
            )
        at = first_difference(theirs, [self.names.get(name, name) or '' for name in ours])
        if at is not None:
            raise UserError(
                f"ClassSurgeryHook: mode='keep', but class {at} is {theirs[at]!r} in the checkpoint and "
                f'{ours[at]!r} in the training data. {instead}; names={{{ours[at]!r}: {theirs[at]!r}}} '
                'says that they are the same'
            )


def _described(
    mode: str, report: Surgery, theirs: Sequence[str] | None, ours: Sequence[str]
) -> str:
    parts = Counter(name.partition('.')[0] for name in report.loaded)
    lines = [
        f'ClassSurgeryHook, mode {mode}: {"unknown" if theirs is None else len(theirs)} classes in '
        f'the checkpoint, {len(ours)} here.',
        f'loaded as they are: {len(report.loaded)} ('
        + ', '.join(f'{name} {count}' for name, count in parts.items())
        + ')',
        f'copied by class: {_listed(report.remapped)}',
        f'left as initialised: {_listed(report.initialised)}',
        f'in the checkpoint alone: {_listed(report.unused)}',
    ]
    if mode != 'keep':
        same = [
            f'{here} (of {there})' if here != there else here
            for here, there in report.copied.items()
        ]
        lines += [
            f'classes copied: {_listed(same)}',
            f'classes started anew: {_listed(report.anew)}',
        ]
    return '\n  '.join(lines)


def _listed(names: Sequence[str]) -> str:
    return ', '.join(names) or 'none'
