"""One thread that computes for all requests."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import HTTPException

from aegan.serve.limits import Limits

T = TypeVar("T")


class Worker:
    """One thread that computes, with a bounded number of requests that wait for it."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self._inside = limits, 0
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="aegan-serve")

    async def __call__(self, work: Callable[[], T]) -> T:
        if self._inside >= self.limits.computing:
            raise HTTPException(503, "The model is busy; try again in a moment.", {"Retry-After": "1"})
        self._inside += 1
        task = asyncio.get_running_loop().run_in_executor(self.pool, work)

        def over(done: asyncio.Future[T]) -> None:
            # a request that was given up keeps its place until its computation has ended
            self._inside -= 1
            if not done.cancelled():
                done.exception()  # looked at: asyncio complains of errors that nobody has seen

        task.add_done_callback(over)
        try:
            return await asyncio.wait_for(asyncio.shield(task), self.limits.seconds)
        except asyncio.TimeoutError:
            raise HTTPException(504, f"This took longer than {self.limits.seconds:g} seconds.") from None

    def answers(self, work: Callable[..., T]) -> Callable[..., Awaitable[T]]:
        """A function of a request as FastAPI takes it, computed here."""

        @functools.wraps(work)
        async def endpoint(**values: Any) -> T:
            return await self(functools.partial(work, **values))

        endpoint.__signature__ = inspect.signature(work, eval_str=True)  # type: ignore[attr-defined]
        return endpoint
