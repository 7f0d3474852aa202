"""The process of one run, ``python -m ssmi.ablation.jobs.worker train|measure``, which the pool starts.

The first line of standard input is the job; the parent process keeps the pipe open for as long as it lives. When the
parent ends for any reason, the run saves its state and stops, as after Ctrl-C. The last line of standard output is the
answer; standard error is the log.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from ssmi.ablation.jobs.job import Job, measure, run_job
from ssmi.pipeline.contract.errors import DivergedError, SsmiError
from ssmi.pipeline.contract.progress import Advance

_SECONDS_BETWEEN_LINES = 60.0


def main(task: str) -> int:
    """Run the job, print ``{"state": "done" | "interrupted" | "diverged" | "failed", ...}``, and return 0 for done."""
    job = Job.from_json(sys.stdin.readline())
    # A daemon thread: it waits while the parent lives, and must not keep a finished run from ending.
    threading.Thread(target=_stop_with_the_parent, daemon=True).start()
    answer: dict[str, object] = {"state": "done", "resumed": job.resume}
    try:
        if task == "measure":
            answer |= asdict(measure(job))
        else:
            run_job(job, _Log())
    except KeyboardInterrupt as interrupt:
        # Interrupted has a message; a second signal raises a plain KeyboardInterrupt.
        answer = {"state": "interrupted", "message": getattr(interrupt, "message", "")}
    except DivergedError as error:
        answer = {"state": "diverged", "message": error.message}
    except SsmiError as error:
        sys.stderr.write(f"{error}\n")
        answer = {"state": "failed", "message": str(error)}
    except Exception as error:  # report any error to the parent
        traceback.print_exc()
        answer = {"state": "failed", "message": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    return 0 if answer["state"] == "done" else 1


class _Log:
    """A reporter that writes notes and, once per minute, the progress of a task to standard error."""

    @contextmanager
    def task(self, label: str, *, total: int, unit: str) -> Iterator[Advance]:
        done, last = 0, time.monotonic()

        def advance(count: int) -> None:
            nonlocal done, last
            done += count
            if time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                self.note(f"{label}: {done:,} of {total:,} {unit}")

        yield advance

    def note(self, message: str) -> None:
        sys.stderr.write(message + "\n")
        sys.stderr.flush()


def _stop_with_the_parent() -> None:
    # Not through sys.stdin: a thread blocked in it at interpreter shutdown holds its lock, which is a fatal error.
    os.read(sys.stdin.fileno(), 1)  # blocks until the pipe is closed
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
