"""A step in three lines: import, decorate, run. What the function returns is the report: metrics, or a whole `Outcome`."""

import os
import sys
from collections.abc import Callable, Mapping

from sluice_protocol.arguments import StepArguments
from sluice_protocol.errors import ComponentError
from sluice_protocol.report import Component, Outcome
from sluice_protocol.runner import run_component
from sluice_protocol.threads import limit_threads

Work = Callable[[StepArguments], Outcome | Mapping[str, float] | None]


class Step:
    """A function as a component. `run()` is the program; calling it is calling the function, for tests."""

    def __init__(self, component: Component, work: Work, problem: str | None) -> None:
        self.component = component
        self.work = work
        self.problem = problem

    def __call__(self, arguments: StepArguments) -> Outcome:
        """The function itself; bare metrics become an outcome."""
        if self.problem is not None:
            raise ComponentError('cpu-limit', self.problem)
        found = self.work(arguments)
        return found if isinstance(found, Outcome) else Outcome(metrics=found or {})

    def run(self) -> None:
        """Runs the process's command line and leaves the process. Does nothing where the file was imported instead of started."""
        if self.work.__module__ == '__main__':
            sys.exit(run_component(self.component, self, sys.argv[1:]))


def step(name: str, version: str) -> Callable[[Work], Step]:
    """Makes a function a component: `@step('row-count', '1.0.0')`.

    Sets the threads of numeric libraries too, which they read when they are loaded: import them below the decorator or inside the function.
    """
    problem: str | None = None
    try:
        limit_threads(os.environ)
    except ValueError as error:
        # Kept until the step runs, so that it ends in a report.
        problem = str(error)
    return lambda work: Step(Component(name, version), work, problem)
