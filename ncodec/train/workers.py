"""Processes that share a step's samples on a CPU: each is computed alone, which leaves little for threads to share."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np
import torch
from torch import Tensor, _foreach_add_, multiprocessing, nn  # pyright: ignore[reportPrivateImportUsage]

from ncodec.errors import NcodecError
from ncodec.train.accelerate import accelerated, move
from ncodec.train.gradients import Gradients, Outcome, Part, trained
from ncodec.train.recipe import Recipe
from ncodec.train.signals import ignore_signals, signals_wait
from ncodec.train.tasks.registry import TASKS

Layout = tuple[torch.Size, tuple[int, ...]]
"""Shape and strides of a parameter, the same in all processes."""
Packed = tuple[np.ndarray, np.ndarray, int, float]
"""A `Part` on its way: uint8 would not do for the clean pictures, some of which are reduced ones."""


class WorkerError(NcodecError):
    """A worker is gone, or cannot be had."""


class Workers:
    """`count` processes beside this one, of so many threads, that compute gradients of `network`, on the CPU.

    Its trained parameters move into memory that all processes see. They begin as Python's `spawn` does: the main module
    must be safe to import. WorkerError if they cannot be had.
    """

    def __init__(self, recipe: Recipe, network: nn.Module, dtype: torch.dtype, count: int, threads: int) -> None:
        parameters = trained(network)
        values = _shared(parameters)
        self.layouts = [(parameter.shape, parameter.stride()) for parameter in parameters]
        for parameter, view in zip(parameters, _views(values, self.layouts), strict=True):
            view.copy_(parameter.detach())
            parameter.data = view
        context = multiprocessing.get_context("spawn")
        self.processes: list[BaseProcess] = []
        self.pipes: list[Connection] = []
        self.totals = [_shared(parameters) for _ in range(count)]
        self._hang_up = weakref.finalize(self, _close, self.pipes)  # whatever happens, no worker waits for ever
        for total in self.totals:
            mine, theirs = context.Pipe()
            self.pipes.append(mine)
            arguments = (theirs, recipe, values, total, self.layouts, dtype, threads)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            with signals_wait():
                process.start()
            theirs.close()
            self.processes.append(process)

    def __len__(self) -> int:
        return len(self.pipes)

    def start(self, parts: Sequence[Sequence[Part]]) -> None:
        """Hand every worker its parts, one at least."""
        for pipe, mine in zip(self.pipes, parts, strict=True):
            with _watched():
                pipe.send([_packed(part) for part in mine])

    def finish(self, total: list[Tensor]) -> list[Outcome]:
        """Wait for all of them, and add their gradients to `total`."""
        outcomes = []
        for pipe, theirs in zip(self.pipes, self.totals, strict=True):
            with _watched():
                samples, skipped = pipe.recv()
            outcomes.append(Outcome(torch.from_numpy(samples), skipped))
            _foreach_add_(total, _views(theirs, self.layouts))
        return outcomes

    def close(self) -> None:
        """End the processes, after what they are at."""
        self._hang_up()
        for process in self.processes:
            process.join()


def _serve(
    pipe: Connection,
    recipe: Recipe,
    values: Tensor,
    total: Tensor,
    layouts: Sequence[Layout],
    dtype: torch.dtype,
    threads: int,
) -> None:
    """A worker's life: until its pipe is closed, by its end or that of the process that began it."""
    ignore_signals()  # they may reach the whole group; the first process ends the step, and then this one
    torch.set_num_threads(threads)
    device = torch.device("cpu")
    network = move(TASKS[recipe.task].network(recipe.architecture), device)
    parameters = trained(network)
    for parameter, view in zip(parameters, _views(values, layouts), strict=True):
        parameter.data = view
    gradients = Gradients(recipe, network, accelerated(network, device, dtype), dtype)
    sums = _views(total, layouts)
    while True:
        try:
            parts = [_unpacked(*packed) for packed in pipe.recv()]
        except (EOFError, OSError):
            return
        total.zero_()
        outcome = gradients.add(parts, sums)
        try:
            pipe.send((outcome.samples.numpy(), outcome.skipped))
        except OSError:
            return


def _close(pipes: Sequence[Connection]) -> None:
    for pipe in pipes:
        pipe.close()


@contextmanager
def _watched() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError) as error:
        raise WorkerError(
            "a process that shared the training has ended; the state saved last can be gone on from"
        ) from error


def _packed(part: Part) -> Packed:
    return part.clean.permute(0, 2, 3, 1).numpy(), part.choice.numpy(), part.seed, part.share


def _unpacked(clean: np.ndarray, choice: np.ndarray, seed: int, share: float) -> Part:
    return Part(torch.from_numpy(clean).permute(0, 3, 1, 2), torch.from_numpy(choice), seed, share)


def _shared(parameters: Sequence[Tensor]) -> Tensor:
    """float32 [n], in memory that other processes can see: room for all of them."""
    try:
        return torch.zeros(sum(parameter.numel() for parameter in parameters)).share_memory_()
    except RuntimeError as error:
        raise WorkerError(
            "there is no shared memory for another process (/dev/shm is full, or a container's small one); "
            "--threads 1 does without"
        ) from error


def _views(flat: Tensor, layouts: Sequence[Layout]) -> list[Tensor]:
    """Parts of `flat`, one after the other, of these shapes and strides."""
    ends = accumulate(shape.numel() for shape, _ in layouts)
    return [
        flat.as_strided(shape, stride, end - shape.numel()) for (shape, stride), end in zip(layouts, ends, strict=True)
    ]
