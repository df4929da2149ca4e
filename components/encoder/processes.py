"""Which of how many processes this is, and what they tell one another."""

import os
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from mediareview.errors import MediaReviewError


@dataclass(frozen=True)
class Processes:
    """The processes that train together. By default there is one."""

    rank: int = 0
    """Number of this process."""
    count: int = 1
    on_this_node: int = 1
    """How many of them share this node's processors."""

    @classmethod
    def joined(cls) -> "Processes":
        """Return the group that ``torch.distributed`` has joined, if it has."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size(), int(os.environ["LOCAL_WORLD_SIZE"]))

    @property
    def nodes(self) -> int:
        """On how many nodes they run; each has as many of them."""
        return self.count // self.on_this_node

    @property
    def device(self) -> torch.device:
        """Where this process trains. One process alone uses the CPU, several use what their backend is for."""
        if self.count > 1 and distributed.get_backend() == "nccl":
            return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        return torch.device("cpu")

    def broadcast(self, tensor: Tensor, source: int) -> Tensor:
        """Return a tensor as the process ``source`` has it; elsewhere only its shape and type count."""
        if self.count == 1:
            return tensor
        there = tensor.to(self.device)
        distributed.broadcast(there, source)
        return there.to(tensor.device)

    def agree(self, number: int, what: str) -> None:
        """Check that all processes have the same number.

        Args:
            number: of this process.
            what: it is, for the message.

        Raises:
            MediaReviewError: they differ.
        """
        if self.count == 1:
            return
        lowest = torch.tensor([number, -number], device=self.device)
        distributed.all_reduce(lowest, distributed.ReduceOp.MIN)
        if int(lowest[0]) != -int(lowest[1]):
            raise MediaReviewError(
                f"The {what} differs between the processes: from {int(lowest[0])} to {-int(lowest[1])}.",
                "They must share one volume as MEDIAREVIEW_HOME; one that shows old files for a while is read again "
                "when the processes are started again.",
            )


ALONE = Processes()
