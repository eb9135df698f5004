"""A process as it was before its first run."""

from mmengine.registry import DefaultScope
from mmengine.utils import ManagerMixin


def forget_runs(kind: type = ManagerMixin) -> None:
    """Drop what mmengine keeps from one run to the next: loggers, message hubs, visualizers.

    Every class drops its own: a visualizer is kept by its class and by ``Visualizer``, where a name
    that is given again would keep its old place, and another run's visualizer stay the current one.
    """
    for each in kind.__subclasses__():
        if each is not DefaultScope:  # conftest.py sets it once for a test
            each._instance_dict.clear()
            forget_runs(each)
