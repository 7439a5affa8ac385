"""First calls of torch's vector functions, by one thread, before several threads call them.

oneMKL, Intel's library that torch uses for sines, roots and the like, chooses the program of each
function when it is called for the first time. If two threads do that at the same moment, one
of them can get a program of low accuracy for this call: part of the result is wrong by up to
1.5e-4. A model keeps the code of its positions, so that all of its answers would be a little
different for as long as the process lives. ``docs/decisions/0038-first-calls-by-one-thread.md`` has
the evidence.
"""

import torch

FUNCTIONS = (
    *("acos", "asin", "atan", "ceil", "cos", "cosh", "erf", "erfc", "erfinv", "exp", "expm1"),
    *("floor", "lgamma", "log", "log10", "log1p", "log2", "round", "rsqrt", "sin", "sinh", "sqrt"),
    *("tan", "tanh", "trunc"),
)
"""Functions of one number, among them all that torch leaves to oneMKL (``ATen/cpu/vml.h``)."""


def warm_up_vector_functions() -> None:
    """Call every function once with a single number, in float32 and float64."""
    with torch.inference_mode():
        for dtype in (torch.float32, torch.float64):
            number = torch.full((1,), 0.5, dtype=dtype, device="cpu")
            for name in FUNCTIONS:
                getattr(torch, name)(number)
