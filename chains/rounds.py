"""Owns what is written down of a chain as a whole at each look, once for every engine.

Steps that never run are skipped, time limits decide where nobody does, and its row says how it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..library import decisions, driving, executing
from . import steps
from .driven import Chain
from .progress import Phase, Progress, Standing, look
from .servers import Servers

if TYPE_CHECKING:
    from ..library.opening import Library
    from .records import Records

OVERDUE = 1.0
"""Seconds after which it is looked at again whether what was overdue is decided."""


def settle(chain: Chain, found: Progress) -> float | None:
    """Write down what was found at a look.

    Returns:
        Seconds after which to look again though nothing is heard; None: there is no need to.
    """
    waits = []
    for step, why in found.skip:
        chain.records.skip(steps.ensure(chain, step).id, reason=why)
        waits.append(0.0)
    for standing in (one for level in found.levels for one in level if one.phase is Phase.PENDING):
        if (left := _expire(chain, standing)) is not None:
            waits.append(left)
    if (found.status, found.error) != (found.row.status, found.row.error_message):
        chain.records.conclude_chain(chain.id, status=found.status, error=found.error, revision=found.row.revision)
    return min(waits, default=None)


def expire(library: Library, records: Records, chain_id: str, step_id: str) -> None:
    """Decide where the file says that a decision that does not come is one, and nobody has decided meanwhile.

    Raises:
        NotFound: the chain is gone, or no engine drives it. Conflict: somebody decides at this moment.
    """
    chain = Chain.load(records, chain_id, Servers(records))
    found = (one for level in look(chain).levels for one in level)
    for one in found:
        limit, left = one.step.approval_timeout, _left(chain, one)
        if one.step.id != step_id or one.phase is not Phase.PENDING or limit is None or left is None or left > 0:
            continue
        assert one.workflow is not None
        # First what was seen to be offered: whoever has decided on it since has decided for the whole batch.
        heads = (one.current, *records.list_heads(one.workflow.id))
        offered = next((head for head in heads if head is not None and head.approval_status == "pending"), None)
        if offered is None:
            continue
        by = f"{driving.DRIVER}: approval_timeout"
        if limit.then == "approve":
            decisions.approve(library, offered.id, by=by, revision=offered.revision)
        else:
            executing.give_up(library, offered.id, error=f"nobody decided within {limit.after:g} s", by=by)


def _expire(chain: Chain, standing: Standing) -> float | None:
    """See to it that what is overdue is decided; returns the seconds until it is, if it ever is."""
    if (left := _left(chain, standing)) is not None and left <= 0:
        chain.records.expire(chain.id, standing.step.id)
        return OVERDUE
    return left


def _left(chain: Chain, standing: Standing) -> float | None:
    """Seconds for which people may yet decide; None where there is no limit, or somebody has decided."""
    limit, attempt, current = standing.step.approval_timeout, standing.attempt, standing.current
    if limit is None or attempt is None or attempt.completed_at is None or current is None:
        return None
    if current.approval_status != "pending" and current.attempt_id == attempt.id:
        return None
    return limit.after - chain.records.seconds_since(attempt.completed_at)
