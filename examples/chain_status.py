"""How a chain stands: each step with its status and what it offers now.

python examples/chain_status.py --hub http://127.0.0.1:8190 --chain ID
"""

from __future__ import annotations

from running import opened, parser

arguments = parser(__doc__)
arguments.add_argument("--chain", required=True, metavar="ID")
options = arguments.parse_args()

with opened(options) as db:
    chain = db.get_chain(id=options.chain)
    workflows = db.get_workflows_by_chain(chain.id)

    for workflow in workflows:
        artifact = db.get_latest_artifact(workflow.id)
        print(f"{workflow.step_id}: {workflow.status} -> {artifact.filename if artifact else None}")
