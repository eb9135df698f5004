"""Of which classes are the weights of a checkpoint, and how they come to be of others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.runner import BaseLoop, Runner
from torch import Tensor, nn
from torch.utils.data import Dataset

from mmseg_da.datasets import agreement
from mmseg_da.engine.fitting import unwrapped
from mmseg_da.errors import UserError
from mmseg_da.models.adaptors.domain_adaptor import SEGMENTOR, TEACHER
from mmseg_da.models.weights import classes_in

CLASSIFIER = 'conv_seg'
"""The layer of mmseg's decode heads that gives a score per class."""


@dataclass
class Surgery:
    """What became of the weights of a checkpoint, by their names in the model.

    Attributes:
        loaded: Taken as they are.
        remapped: Classifiers of which some rows were copied.
        initialised: Left as the model has initialised them: absent from the file, of another
            shape, or classifiers without a row to copy.
        unused: In the file alone.
        copied: For each class of the training that got a row: the class of the file that it is of.
        anew: Classes of the training without such a row.
    """

    loaded: list[str] = field(default_factory=list)
    remapped: list[str] = field(default_factory=list)
    initialised: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    copied: dict[str, str] = field(default_factory=dict)
    anew: list[str] = field(default_factory=list)


def starts_training(runner: Runner) -> bool:
    """Whether a checkpoint that is being loaded is one to start a training from.

    It is not in a test, or where a training is resumed.
    """
    resumes = runner._resume or getattr(runner, '_is_resuming', False)
    return isinstance(runner._train_loop, BaseLoop) and not resumes


def training_classes(runner: Runner) -> tuple[str, ...]:
    """The classes of the training data of a runner, in order; none if it names none."""
    metainfo = getattr(runner.train_dataloader.dataset, 'metainfo', None) or {}
    return tuple(metainfo.get('classes') or ())


def first_difference(theirs: Sequence[str], ours: Sequence[str]) -> int | None:
    """The first class that is not the same in two lists of one length, without regard to case."""
    pairs = enumerate(zip(theirs, ours, strict=True))
    return next((at for at, (one, other) in pairs if _key(one) != _key(other)), None)


def check_classes(model: nn.Module, dataset: Dataset) -> None:
    """Compare the classes of a model that is to predict with those of the data, as far as each says.

    Raises:
        UserError: They differ in number, or those of its checkpoints in name or order.
    """
    agreement.check_classes(model, dataset)
    check_names(model, (getattr(dataset, 'metainfo', None) or {}).get('classes') or ())


def check_names(model: nn.Module, classes: Sequence[str]) -> None:
    """See that class numbers mean the same to a ``SegmentorEnsemble`` and to the data.

    Args:
        model: Of any kind; others, and networks whose checkpoints name no classes, pass.
        classes: Of the data, in order. Lists of other lengths are not compared.

    Raises:
        UserError: A class has another name in the checkpoint; names the first.
    """
    model = unwrapped(model)
    theirs, file = getattr(model, 'classes', None), getattr(model, 'named_by', None)
    if not theirs or not file or len(theirs) != len(classes):
        return
    at = first_difference(theirs, classes)
    if at is not None:
        raise UserError(
            f'{file}: was trained on other classes than the data, though both have {len(classes)}: '
            f'class {at} is {theirs[at]!r} there and {classes[at]!r} here, so what it predicts would '
            'stand for the wrong classes. Take data and a checkpoint of the same classes in the same '
            'order; a class with two names needs one: in metainfo=dict(classes=...) of the data, or in '
            "meta['dataset_meta']['classes'] of the checkpoint"
        )


def check_meaning(runner: Runner, checkpoint: Mapping[str, Any], filename: str) -> None:
    """See that a classifier that fits in shape is of the classes that are trained.

    mmengine leaves out a classifier of another number of classes, and says so. One of the same
    number it loads, whatever the classes are. Warns if the file does not say its classes.

    Args:
        runner: Nothing is looked at unless it starts a training on data that names its classes, and
            none of its hooks ``decides_on_classes``.
        checkpoint: What the file holds.
        filename: The file, for the message.

    Raises:
        UserError: The classes differ in name or order; names the first that does.
    """
    decided = any(getattr(hook, 'decides_on_classes', False) for hook in runner.hooks)
    if decided or not starts_training(runner):
        return
    classes = training_classes(runner)
    if not classes or not _fitting_classifiers(unwrapped(runner.model), weights_in(checkpoint)):
        return
    theirs = classes_in(checkpoint)
    if theirs is None:
        runner.logger.warning(
            f'{filename} does not say which classes its weights are of: they are taken for those of '
            f'the training data, {", ".join(classes)}, in this order.'
        )
        return
    at = first_difference(theirs, classes) if len(theirs) == len(classes) else None
    if at is not None:
        same = f'names={{{classes[at]!r}: {theirs[at]!r}}}'
        raise UserError(
            f'{filename}: its classifier is of other classes than the training data, though both '
            f'have {len(classes)}: class {at} is {theirs[at]!r} there and {classes[at]!r} here, so '
            "scores would stand for the wrong classes. Set custom_hooks=[dict(type='ClassSurgeryHook', "
            "mode='remap')] to copy what it knows of each class by its name, mode='drop' to start the "
            f"classifier anew, or mode='keep', {same} if that is one class with two names"
        )


def weights_in(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The dict of weights that a checkpoint holds or is, itself and not a copy."""
    return checkpoint.get('state_dict', checkpoint)


def classifier_layers(model: nn.Module) -> set[str]:
    """Names of the layers that give a score per class.

    ``conv_seg``, unless a head has the attribute ``classifiers`` with the names of its own.
    """
    heads = [module for module in model.modules() if hasattr(module, 'classifiers')]
    return {CLASSIFIER}.union(*(head.classifiers for head in heads))


def matching_rows(
    theirs: Sequence[str] | None, ours: Sequence[str], names: Mapping[str, str | None]
) -> dict[int, int]:
    """Rows of a classifier that are of the same class: that of the file by that of the training.

    Args:
        theirs: Classes of the file.
        ours: Classes of the training.
        names: The file's name of a class of the training, where it has another; ``None`` if the
            class is to be none of the file's, though it has the name of one.

    Raises:
        UserError: A name is none of the classes.
    """
    for what, named, known in (
        ('the training data', names, ours),
        ('the checkpoint', [name for name in names.values() if name is not None], theirs or ()),
    ):
        unknown = [name for name in named if name not in known]
        if unknown:
            raise UserError(
                f'ClassSurgeryHook: names has {unknown[0]!r}, which is no class of {what}, '
                f'{list(known)}. It is a dict of the name here and the name in the checkpoint'
            )
    row = {_key(name): number for number, name in enumerate(theirs or ())}
    wanted = [names.get(name, name) for name in ours]
    found = [None if name is None else row.get(_key(name)) for name in wanted]
    return {number: at for number, at in enumerate(found) if at is not None}


def operate(
    weights: dict[str, Any],
    model: nn.Module,
    rows: Mapping[int, int] | None,
    sizes: tuple[int | None, int],
    layers: set[str],
) -> Surgery:
    """Change the classifiers among the weights of a checkpoint, in place.

    A classifier becomes what the model has initialised it to, but for the rows that are copied. One
    that the model does not have goes.

    Args:
        weights: By name, as the file has them.
        model: As it is initialised.
        rows: Row of the file by row of the model; ``None`` leaves classifiers as they are.
        sizes: Number of classes of the file and of the model.
        layers: Names of the layers that are classifiers.

    Returns:
        What became of each weight; ``copied`` and ``anew`` are empty.

    Raises:
        UserError: There is no classifier, or one whose rows are not the classes.
    """
    ours, done, changed = model.state_dict(), Surgery(), set()
    classifiers = [name for name in weights if layers & set(name.split('.'))]
    if rows is not None and not classifiers:
        raise UserError(
            f'ClassSurgeryHook: the checkpoint has no layer {" or ".join(sorted(layers))} to change. Name '
            'the layers of your head that give a score per class: layers=[...]'
        )
    for name in classifiers if rows is not None else ():
        own = _own_name(name, ours)
        if own is None:
            del weights[name]
            done.unused.append(name)
            continue
        changed.add(own)
        made = ours[own].detach().to(weights[name], copy=True)
        if rows:
            _require_rows(own, weights[name], made, sizes)
            made[list(rows)] = weights[name][list(rows.values())]
        weights[name] = made
        (done.remapped if rows else done.initialised).append(own)
    found = {_own_name(name, ours): name for name in weights}
    done.unused += [name for name in weights if _own_name(name, ours) is None]
    for own, value in ours.items():
        if own in changed:
            continue
        fits = own in found and weights[found[own]].shape == value.shape
        (done.loaded if fits else done.initialised).append(own)
    return done


def start_teacher_over(weights: dict[str, Any]) -> bool:
    """Have the first update make the teacher of a checkpoint, if any, a copy of the segmentor.

    Its own rows of classes that are new would be of other random numbers than the segmentor's.
    """
    names = [n for n in weights if n.removeprefix('module.') == f'{TEACHER}.steps']
    for name in names:
        weights[name] = torch.zeros_like(weights[name])
    return bool(names)


def _fitting_classifiers(model: nn.Module, weights: Mapping[str, Any]) -> list[str]:
    """Names of the classifiers that a file and a model have in one shape."""
    ours, layers = model.state_dict(), classifier_layers(model)
    names = [name for name in weights if isinstance(name, str) and layers & set(name.split('.'))]
    own = {name: _own_name(name, ours) for name in names}
    return [n for n in names if own[n] and ours[own[n]].shape == getattr(weights[n], 'shape', None)]


def _own_name(name: str, ours: Mapping[str, Tensor]) -> str | None:
    """What a model calls a weight of a file, of which one may be an adaptor's, the other's plain."""
    bare = name.removeprefix('module.')
    prefix = f'{SEGMENTOR}.'
    candidates = (bare, prefix + bare, bare.removeprefix(prefix))
    return next((each for each in candidates if each in ours), None)


def _require_rows(name: str, theirs: Tensor, ours: Tensor, sizes: tuple[int | None, int]) -> None:
    if (len(theirs), len(ours)) == sizes and theirs.shape[1:] == ours.shape[1:]:
        return
    raise UserError(
        f"ClassSurgeryHook: mode='remap' needs a row per class in {name}, of one width; it is "
        f'{_size(theirs)} in the checkpoint for {sizes[0]} classes and {_size(ours)} here for '
        f"{sizes[1]}. Set mode='drop'"
    )


def _size(tensor: Tensor) -> str:
    return 'x'.join(map(str, tensor.shape))


def _key(name: str) -> str:
    return str(name).strip().casefold()
