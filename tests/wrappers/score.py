"""Scores programs that run a command under a lock, point by point: `dlm run`, `flock`,
`setlock` of daemontools, and `etcdctl lock`. Prints a table in Markdown.

Called by script/wrappers. The arguments are the folder with `dlm` and `dlm-server`, and
optionally names of wrappers and numbers of points to which to restrict the run.
"""

import contextlib
import os
import pathlib
import sys
import tempfile

import checks
import processes
import wrappers

# The points that can't be measured here, and why.
UNMEASURED = {19: "suspend and resume: a test can't suspend the machine"}
GOOD, BAD, ABSENT = "yes", "**no**", "–"


def score(wrapper, check, directory):
    """Whether the wrapper passes; None if the point does not apply to it."""
    if checks.needs_lease(check) and not wrapper.leases:
        return None
    name = f"{check.__name__}-{os.urandom(3).hex()}"
    with contextlib.ExitStack() as cleanup:
        run = checks.Run(wrapper, directory, name, cleanup)
        try:
            check(run)
            return True
        except (AssertionError, TimeoutError) as failure:
            print(f"  {wrapper.name}: {check.__name__}: {failure}", file=sys.stderr)
            return False


def main():
    binaries = pathlib.Path(sys.argv[1]).resolve()
    names = {word for word in sys.argv[2:] if not word.isdigit()}
    points = {int(word) for word in sys.argv[2:] if word.isdigit()}
    # Orphans of the wrappers become children of this process, which ends them.
    processes.become_reaper()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as servers:
        directory = pathlib.Path(folder)
        tested = [make(binaries, directory, servers) for make in wrappers.ALL if not names or make.name in names]
        print("| | Point | " + " | ".join(wrapper.name for wrapper in tested) + " |")
        print("|---|---|" + "---|" * len(tested))
        totals = [0] * len(tested)
        for number, title, check in checks.ALL:
            if points and number not in points:
                continue
            results = [score(wrapper, check, directory) for wrapper in tested]
            totals = [total + bool(result) for total, result in zip(totals, results)]
            shown = [{True: GOOD, False: BAD, None: ABSENT}[result] for result in results]
            print(f"| {number} | {title} | " + " | ".join(shown) + " |", flush=True)
            processes.end_orphans()
        print("| | **passed** | " + " | ".join(map(str, totals)) + " |")
        print()
        print("Versions: " + ", ".join(wrapper.version() for wrapper in tested) + ".")
        for number, reason in UNMEASURED.items():
            print(f"Not measured: {number}, {reason}.")


if __name__ == "__main__":
    main()
