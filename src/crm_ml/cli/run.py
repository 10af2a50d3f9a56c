"""One process: arguments in, exactly one exit code out, whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn

from crm_ml.errors import CrmError, ExitCode, Failure, UsageError

_LATER = ("doctor", "effect", "forget", "kpis", "monitor", "recommend", "segments", "serve")
_SECONDS_TO_STOP = 4.0
_SECONDS_UNTIL_AGAIN = 0.02
_asked_to_stop: list[ExitCode] = []


class Stopped(BaseException):
    """The process was asked to end; not an `Exception`, so that nothing on the way takes it for a fault."""

    def __init__(self, code: ExitCode) -> None:
        super().__init__(code)
        self.code = code


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    code = _run(given)
    _leave_signals()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # whoever read our output has gone: nothing to say, and nothing for the interpreter to flush at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.stderr.flush()
    sys.exit(int(code))


def _run(given: list[str]) -> int:
    as_json, debug = "--json" in given, "--debug" in given
    try:
        _handle_signals()
        from crm_ml.cli.app import app

        outcome = app(args=given, prog_name="crm-ml", standalone_mode=False)
        return int(outcome or 0)
    except Stopped as stopped:
        return _report_stop(stopped.code)
    except KeyboardInterrupt:
        return _report_stop(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        return int(ExitCode.OK)
    except Exception as error:
        if _asked_to_stop:  # compiled code has turned our exception into one of its own
            return _report_stop(_asked_to_stop[0])
        if isinstance(error, CrmError):
            return _report(error, as_json, debug)
        if type(error).__name__ == "Abort":
            return _report_stop(ExitCode.INTERRUPTED)
        if hasattr(error, "format_message"):  # what typer raises for a bad argument
            return _report(_bad_argument(error, given), as_json, debug)
        if isinstance(error, MemoryError):
            remedy = "Run it where there is more, or work from files: a smaller `memory_gb` in crm.yaml."
            return _report(Failure("The memory is used up", remedy=remedy), as_json, debug)
        return _report(_unexpected(error), as_json, debug)


def _bad_argument(error: Any, given: list[str]) -> CrmError:
    first = next((word for word in given if not word.startswith("-")), "")
    if first in _LATER:
        return Failure(
            f"`crm-ml {first}` is not in this version",
            remedy="`crm-ml --help` lists what is.",
            code="not_in_this_version",
        )
    message = str(error.format_message()).strip().rstrip(".")
    return UsageError(message, remedy=f"See `crm-ml {first} --help`." if first else "See `crm-ml --help`.")


def _unexpected(error: Exception) -> CrmError:
    first = (str(error).strip() or "no message").splitlines()[0][:300]
    unexpected = Failure(
        f"Unexpected {type(error).__name__}: {first}",
        remedy="This is a fault of crm-ml or of a package it uses; --debug shows where.",
        code="unexpected",
    )
    unexpected.__cause__ = error
    return unexpected


def _report(error: CrmError, as_json: bool, debug: bool) -> int:
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    else:
        print(f"crm-ml: {error}", file=sys.stderr)  # noqa: T201 - this is the door
    if as_json:
        write_json({"error": error.as_dict()})
    return int(error.exit_code)


def _report_stop(code: ExitCode) -> int:
    print("crm-ml: stopped; what was published before is untouched", file=sys.stderr)  # noqa: T201
    return int(code)


def write_json(value: dict[str, Any]) -> None:
    """Write the one JSON object of ``--json`` to stdout."""
    sys.stdout.write(json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, default=str) + "\n")


def _plain(value: Any) -> Any:
    """Return the value with NaN and infinity as null: JSON knows neither."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _handle_signals() -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    for number, code in ((signal.SIGTERM, ExitCode.TERMINATED), (signal.SIGINT, ExitCode.INTERRUPTED)):
        signal.signal(number, _stopper(code))
    sys.unraisablehook = _raise_again


def _leave_signals() -> None:
    """From here on a signal ends the process without a word: what was to be said has been said."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)


def _raise_again(unraisable: sys.UnraisableHookArgs) -> None:
    """Ask once more when the stop met code that cannot raise, such as a finaliser."""
    if not isinstance(unraisable.exc_value, Stopped):
        sys.__unraisablehook__(unraisable)
        return
    number = signal.SIGTERM if unraisable.exc_value.code == ExitCode.TERMINATED else signal.SIGINT
    # to the main thread, so that it also wakes one that waits
    again = threading.Timer(_SECONDS_UNTIL_AGAIN, signal.pthread_kill, args=(threading.main_thread().ident, number))
    again.daemon = True
    again.start()


def _stopper(code: ExitCode) -> Callable[[int, FrameType | None], None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        _asked_to_stop.append(code)
        # compiled code may not come back to Python soon; then the system frees the lock, and the next run tidies up
        timer = threading.Timer(_SECONDS_TO_STOP, os._exit, args=(int(code),))
        timer.daemon = True
        timer.start()
        raise Stopped(code)

    return stop
