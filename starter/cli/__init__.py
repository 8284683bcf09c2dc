"""The command line `countersign`: the client's operations for people and for scripts.

Every command knows `--json`: one JSON document on standard output, errors as one on standard error. Exit
codes are those of the error table in `domain/errors.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from typer import Abort
from typer._click.exceptions import ClickException, NoArgsIsHelpError

from domain.errors import Code, Refusal
from starter.cli.app import app
from starter.cli.output import JSON_FLAG, report
from starter.leaving import leave
from starter.settings import Misconfigured

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def run() -> NoReturn:
    """Runs the command of this process and ends the process."""
    leave(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    Args:
        arguments: What was typed after `countersign`; this process's own if None.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = JSON_FLAG in given
    try:
        return int(app(given, prog_name="countersign", standalone_mode=False) or 0)
    except Refusal as refusal:
        return report(refusal, as_json=as_json)
    except NoArgsIsHelpError as error:
        error.show()
        return Refusal(Code.INVALID_INPUT, "").meaning.exit_code
    except ClickException as error:
        return report(Refusal(Code.INVALID_INPUT, error.format_message()), as_json=as_json)
    except Misconfigured as error:
        return report(Refusal(Code.INVALID_INPUT, str(error)), as_json=as_json)
    except (Abort, KeyboardInterrupt):
        return INTERRUPTED
