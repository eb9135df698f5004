"""Runs of one process do not see each other in the tests."""

from fresh_start import forget_runs
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer
from mmseg.visualization import SegLocalVisualizer


def test_a_name_that_is_given_again_is_the_current_one():
    for kind in (SegLocalVisualizer, MessageHub, MMLogger):
        before = [kind.get_instance(name) for name in ('first', 'second')]
        forget_runs()
        again = kind.get_instance('first')
        assert again not in before
        assert kind.get_current_instance() is again
    forget_runs()
    painter = SegLocalVisualizer.get_instance('first')
    assert Visualizer.get_current_instance() is painter  # which mmseg's hook draws with


def test_the_scope_of_a_test_stays():
    forget_runs()
    assert DefaultScope.get_current_instance().scope_name == 'mmseg'
