"""One line per test, and an exit code."""

import sys
import traceback

failed = 0


def test(name, function):
    """Runs `function` and says how it went."""
    global failed
    try:
        function()
        print(f"ok      {name}", flush=True)
    except Exception as error:  # Whatever it is, it is this test's failure.
        failed += 1
        print(f"FAILED  {name}: {type(error).__name__}: {error}", flush=True)
        traceback.print_exc(file=sys.stderr)


def end():
    """Ends with the exit code."""
    sys.exit(1 if failed else 0)
