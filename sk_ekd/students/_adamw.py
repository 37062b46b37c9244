"""AdamW without torch's compiler, which every optimizer imports when it is made.

That is 800 modules and a second of the first fit in a process, and in each worker. No
step of the built-in student is compiled.
"""

from inspect import unwrap

import torch


class AdamW(torch.optim.AdamW):
    """torch.optim.AdamW, whose methods do not ask the compiler to leave them alone.

    Examples
    --------
    >>> module = torch.nn.Linear(1, 1)
    >>> AdamW(module.parameters(), lr=0.1).param_groups[0]["lr"]
    0.1
    """

    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)

    @torch.no_grad()
    def step(self, closure=None):
        """Do one step -> what the closure returns."""
        return _step(self, closure)


_step = unwrap(torch.optim.AdamW.step)
