"""A supervisor in a process of its own, for tests that end it: `run_stack.py STATE_DIR PART...`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cli.stack.names import PartName
from cli.stack.supervisor import Stack, stop_on_signals


def main() -> None:
    state_dir, *parts = sys.argv[1:]
    stack = Stack(Path(state_dir), inherited=os.environ, parts=[PartName(part) for part in parts])
    with stack, stop_on_signals(stack):
        stack.start()
        stack.watch()


if __name__ == "__main__":
    main()
