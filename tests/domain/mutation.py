"""Puts one small fault after the other into the approval rules, and counts those that the tests notice.

`make mutation` runs this in a copy of the tree; docs/testing.md says how to read what it prints. Cosmic Ray
makes the faults. Each is tried in a process of its own, forked from one that has imported everything but the
rules and their tests: starting Python and the libraries a thousand times would take most of the time.
"""

from __future__ import annotations

import importlib.util
import os
import re
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from itertools import count
from pathlib import Path

import hypothesis.stateful  # noqa: F401 - imported for the processes that are forked
import pytest
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

import domain.calendars
import domain.definitions
import domain.lookups
import domain.orders  # noqa: F401 - the rest of what tests of approvals import

MODULES = ("tally", "opening", "course", "admission", "acting", "approval")
RANDOM_HISTORIES = "tests/domain/test_approval_model.py"
"""They notice most of all, but take a hundred times as long as the examples."""
TESTS = sorted({str(path) for path in Path("tests/domain").glob("test_approval*.py")} - {RANDOM_HISTORIES})
OPTIONS = ["-x", "-q", "-n", "0", "--noconftest", "-p", "no:cacheprovider", "--assert", "plain"]
OPTIONS += ["--hypothesis-profile", "ci", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
SECONDS = 30
"""Of computing time for the tests of one fault: some never end."""
MUST_BE_NOTICED = 0.9

NO_FAULTS = re.compile(
    r"core/(ReplaceBinaryOperator_BitOr_"
    r"|ReplaceComparisonOperator_(Is|IsNot)_(?!Is)"
    r"|ReplaceComparisonOperator_(?!Is)\w+_(Is|IsNot)$)"
)
"""Changes that cannot show, or that nothing could miss.

`|` stands in annotations, which nobody evaluates, and between classes. `is` compares with None and members of
enumerations: `==` says the same there, `<` is an error or nonsense. And whether equal numbers or strings are
the same object is for the interpreter to say.
"""


@dataclass(frozen=True)
class Fault:
    """A module of the rules with one thing changed."""

    module: str
    source: str
    changed: str

    @property
    def diff(self) -> str:
        lines = unified_diff(
            self.source.splitlines(), self.changed.splitlines(), self.module, self.module, n=0, lineterm=""
        )
        return "\n".join(list(lines)[2:])


class InPlaceOf(MetaPathFinder):
    """Lets a fault be imported in place of the module that it was put into."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        return importlib.util.spec_from_loader(name, self) if name == self.fault.module else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """The usual module."""

    def exec_module(self, module: object) -> None:
        exec(compile(self.fault.changed, self.fault.module, "exec"), vars(module))


def faults(name: str) -> Iterator[Fault]:
    """All that can be put into one module, one at a time."""
    source = Path(f"domain/{name}.py").read_text()
    for operator in operator_names():
        if NO_FAULTS.match(operator) or get_operator(operator).arguments():
            continue
        for occurrence in count():
            changed = mutate_code(source, get_operator(operator)(), occurrence)
            if changed is None:
                break
            yield Fault(f"domain.{name}", source, changed)


def all_pass(fault: Fault | None) -> bool:
    """Runs the tests with a fault, or with none, in a process of their own."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    passed = False
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        if fault is not None:
            sys.meta_path.insert(0, InPlaceOf(fault))
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
        passed = pytest.main([*OPTIONS, *TESTS]) == pytest.ExitCode.OK
        sys.stdout.flush()
    finally:
        os._exit(0 if passed else 1)


def main() -> None:
    sys.dont_write_bytecode = False  # The first run compiles the tests for all others.
    if not all_pass(None):
        sys.exit("The tests fail without any fault.")
    noticed = made = 0
    for name in MODULES:
        results = [(fault, not all_pass(fault)) for fault in faults(name)]
        killed = sum(is_noticed for _, is_noticed in results)
        for fault, is_noticed in results:
            if not is_noticed:
                print(f"not noticed in domain/{name}.py\n{fault.diff}\n")
        print(f"domain/{name}.py: {killed} of {len(results)} noticed\n", flush=True)
        noticed, made = noticed + killed, made + len(results)
    print(f"{noticed} of {made} noticed: {noticed / made:.1%}")
    sys.exit(noticed < made * MUST_BE_NOTICED)


if __name__ == "__main__":
    main()
