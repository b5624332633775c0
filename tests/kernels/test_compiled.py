"""In a function under ``torch.compile`` the operations run as they are, between the graphs of what surrounds them."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from holly_triton import kernels
from holly_triton.harness.baselines import forward_backward, operation
from holly_triton.harness.operation import differentiate
from holly_triton.harness.ops import OPERATIONS

CALLS = 12
"""More than Dynamo would recompile."""
MOST_TRACED = 5
"""Calls in the graphs: the product, and those of the harness's own arguments for ``emitter_nll``."""


@pytest.mark.parametrize("op", OPERATIONS)
def test_dynamo_breaks_the_graph_around_an_operation_and_compiles_the_rest(op: str) -> None:
    case = next(case for case in OPERATIONS[op].edges("ieee"))
    inputs = OPERATIONS[op].make_inputs(case, 0).to(torch.float32)
    graphs: list[set[str]] = []

    def keep(module: torch.fx.GraphModule, _: Any) -> Callable[..., Any]:
        graphs.append({node.name for node in module.graph.nodes if node.op.startswith("call")})
        return module.forward

    def surrounded(**arguments: Any) -> Tensor:
        return operation(case, "separable")(**arguments) * 2.0

    torch.compiler.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Dynamo has to say differs from release to release
        compiled = torch.compile(surrounded, backend=keep)
        found, gradients = differentiate(compiled, inputs)
        traced = len(graphs)
        for _ in range(CALLS):
            compiled(**inputs.arguments)
    wanted, wanted_gradients = forward_backward(case, "separable", inputs)
    assert torch.equal(found, 2.0 * wanted)
    assert all(torch.equal(gradient, 2.0 * wanted_gradients[name]) for name, gradient in gradients.items())
    assert {"mul"} in graphs and sum(map(len, graphs)) <= MOST_TRACED, "the operation was traced"
    assert len(graphs) == traced, "it was compiled again and again"


@pytest.mark.parametrize("op", ["splat", "emitter_nll"])
def test_an_operation_keeps_its_name_signature_and_docstring(op: str) -> None:
    function = getattr(kernels, op)
    assert function.__name__ == op and function.__doc__ and "Returns:" in function.__doc__
    assert "backend" in inspect.signature(function).parameters
