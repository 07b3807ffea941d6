"""Pins that these tests have seen each operation succeed in each way that it is documented to, or answer 501."""

from __future__ import annotations

import contract
import pytest
from contract import SEEN, Operation

# This test runs last, and only where every file that asks the hub was collected whole: see conftest.py.


def wanted(op: Operation) -> set[tuple[str, str]]:
    """What has to have been seen of an operation: its 501 while it is planned, else all of its successes."""
    return {(op.name, status) for status in (["501"] if op.planned else op.successes)}


@pytest.mark.parametrize("op", contract.operations(), ids=lambda op: op.name)
def test_every_success_of_every_operation_was_seen(op: Operation, everything_was_asked: bool) -> None:
    if not everything_was_asked:
        pytest.skip("only a part of the tests was asked for")
    assert wanted(op) - SEEN == set()
