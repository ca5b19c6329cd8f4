"""What the CPU does while a GPU computes: it makes what comes next, and what was computed comes to it meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]

# batches that a GPU has before it while the CPU makes the next; of each it holds what is on its way, no activations
IN_FLIGHT = 4
T = TypeVar("T")
M = TypeVar("M")


def ahead(items: Iterable[T], make: Callable[[T], M]) -> Iterator[tuple[T, M]]:
    """Each item with what is made of it, in order; that of the next is made in a thread meanwhile.

    Args:
        items: asked for in the thread of the caller, one further than is given out.
        make: what takes long outside of Python, as tokenizers do; whatever it raises is raised in its turn.
    """
    with ThreadPoolExecutor(1) as thread:
        waiting: deque[tuple[T, Future[M]]] = deque()
        for item in items:
            waiting.append((item, thread.submit(make, item)))
            if len(waiting) > 1:
                first, made = waiting.popleft()
                yield first, made.result()
        for item, made in waiting:
            yield item, made.result()


def arriving(batches: Iterable[tuple[T, Mapping[str, torch.Tensor]]]) -> Iterator[tuple[T, Tensors]]:
    """The tensors of each batch on the CPU, in order, beside what they came with.

    From a GPU they are copied without waiting: up to `IN_FLIGHT` batches are computed and copied while the next is
    made. What is on the CPU is given out at once.

    Args:
        batches: made when they are asked for; the tensors of each are on one device.
    """
    waiting: deque[tuple[T, _Copies]] = deque()
    for item, tensors in batches:
        waiting.append((item, _Copies(tensors)))
        while waiting and len(waiting) > (IN_FLIGHT if waiting[0][1].copied else 0):
            first, copies = waiting.popleft()
            yield first, copies.here()
    for item, copies in waiting:
        yield item, copies.here()


class _Copies:
    """Tensors on their way from a GPU to the CPU, or as they are.

    Attributes:
        copied: the event that the copies are made; None where there is nothing to wait for.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self.copied: Any = None
        if not any(hasattr(tensor, "is_cuda") for tensor in tensors.values()):  # arrays
            self.tensors = dict(tensors)
            return
        import torch

        cuda = {tensor.device for tensor in tensors.values() if tensor.device.type == "cuda"}
        # to a CUDA device alone such a copy is safe to ask for: torch makes it into pinned memory
        self.tensors = {name: tensor.to("cpu", non_blocking=bool(cuda)) for name, tensor in tensors.items()}
        for device in cuda:
            self.copied = torch.cuda.current_stream(device).record_event(torch.cuda.Event(blocking=True))

    def here(self) -> Tensors:
        """The tensors on the CPU, waited for."""
        if self.copied is None:
            return self.tensors
        self.copied.synchronize()
        # pinned memory is dear: what is kept of a batch is kept elsewhere
        return {name: tensor.clone() for name, tensor in self.tensors.items()}
