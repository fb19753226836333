"""Run the double as a process of its own: `python -m tests.model_server --port 11500 --latency 0.5 --slots 4`.

It prints its address on one line when it listens. `GET /double/counts` tells what happened, and `POST /double/switches`
changes how it behaves.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from tests.model_server.answers import default_answer
from tests.model_server.calls import Call, Switches
from tests.model_server.server import MODEL, ModelServerDouble


def _read() -> argparse.Namespace:
    defaults = Switches()
    parser = argparse.ArgumentParser(prog="python -m tests.model_server", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--latency", type=float, default=defaults.latency, help="seconds of one answer")
    parser.add_argument("--first-token", type=float, default=defaults.first_token, help="seconds before it begins")
    parser.add_argument("--slots", type=int, default=defaults.slots)
    parser.add_argument("--max-queue", type=int, default=defaults.max_queue)
    parser.add_argument("--model", action="append", help=f"may be repeated; {MODEL} where none is named")
    parser.add_argument("--thinking", action="append", default=[], help="a model that thinks")
    parser.add_argument("--answer", type=Path, help="a file whose text every answer is")
    return parser.parse_args()


async def _serve(wanted: argparse.Namespace) -> None:
    fixed = wanted.answer.read_text() if wanted.answer else ""

    def answer(call: Call) -> str:
        return fixed or default_answer(call)

    server = ModelServerDouble(
        models=wanted.model or (MODEL,),
        thinking=wanted.thinking,
        answer=answer,
        port=wanted.port,
        switches=Switches(
            latency=wanted.latency,
            first_token=wanted.first_token,
            slots=wanted.slots,
            max_queue=wanted.max_queue,
        ),
    )
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with server:
        print(server.url, flush=True)
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(_serve(_read()))
