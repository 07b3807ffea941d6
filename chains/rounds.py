"""Owns what is written down of a chain as a whole at each look, once for every engine.

Steps that never run are skipped, time limits decide where nobody does, and its row says how it stands.
"""

from __future__ import annotations

from ..library import decisions, driving, executing, identities, views
from . import steps
from .driven import Chain
from .progress import Phase, Progress, Standing


def settle(chain: Chain, found: Progress, row: views.Chain) -> float | None:
    """Write down what was found at a look.

    Args:
        row: the chain's row as it was before.
    Returns:
        Seconds after which to look again though nothing is heard; None: there is no need to.
    """
    waits = []
    for step, why in found.skip:
        executing.skip(chain.library, steps.ensure(chain, step).id, reason=why)
        waits.append(0.0)
    for standing in (one for level in found.levels for one in level if one.phase is Phase.PENDING):
        if (left := _expire(chain, standing)) is not None:
            waits.append(left)
    if (found.status, found.error) != (row.status, row.error_message):
        driving.conclude(chain.library, chain.id, status=found.status, error=found.error)
    return min(waits, default=None)


def _expire(chain: Chain, standing: Standing) -> float | None:
    """Decide where the file says that a decision that does not come is one; returns the seconds until then, if any."""
    limit, attempt, current = standing.step.approval_timeout, standing.attempt, standing.current
    if limit is None or attempt is None or attempt.completed_at is None or current is None:
        return None
    left = limit.after - identities.seconds_since(attempt.completed_at)
    if left > 0:
        return left
    assert standing.workflow is not None
    if limit.then == "approve" and current.approval_status == "pending":
        decisions.approve(chain.library, current.id, by=f"{driving.DRIVER}: approval_timeout")
    else:
        error = f"nobody decided within {limit.after:g} s"
        executing.fail(chain.library, standing.workflow.id, error=error)
    return 0.0
