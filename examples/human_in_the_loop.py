"""A person in the loop: what a step made waits for a decision, and is approved, or edited into a second version.

python examples/human_in_the_loop.py --hub http://127.0.0.1:8190 --workflow ID --target gpu-b --edit
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image, ImageOps
from running import opened, parser


def edit_locally(path: Path) -> Path:
    """What a person does in a program for pictures."""
    edited = path.with_name(f"edited-{path.name}")
    with Image.open(path) as picture:
        ImageOps.mirror(picture.convert("RGB")).save(edited)
    return edited


arguments = parser(__doc__)
arguments.add_argument("--workflow", required=True, metavar="ID", help="a workflow that has an output")
arguments.add_argument("--target", required=True, metavar="NAME", help="the server where the chain goes on")
arguments.add_argument("--edit", action="store_true", help="edit it instead of approving it")
arguments.add_argument("--by", default="user@example.com", help="who decides")
options = arguments.parse_args()

with opened(options) as db, tempfile.TemporaryDirectory() as folder:
    workflow_1 = db.get_workflow(id=options.workflow)
    artifact_1 = db.get_latest_artifact(workflow_1.id)
    if artifact_1 is None:
        raise SystemExit("this workflow has no output yet")

    db.update_artifact(artifact_1.id, approval_status="pending")  # Nothing goes downstream before a decision.

    review = db.download_artifact(artifact_1, folder)
    print(f"Review: {review.name}")

    if not options.edit:
        db.approve_artifact(artifact_1.id, approved_by=options.by)
    else:
        artifact_2 = db.create_artifact(
            workflow_id=workflow_1.id,
            local_path=edit_locally(review),
            parent_artifact_id=artifact_1.id,
            version=2,
            approval_status="approved",
            approved_by=options.by,
        )
        # artifact_2 is the current artifact now, and artifact_1 is kept as it was.

    # The chain goes on with the approved or the edited one.
    artifact = db.get_latest_artifact(workflow_1.id, usable=True)
    db.upload_artifact_to_server(artifact, options.target)
    print(f"version {artifact.version}, {artifact.approval_status} by {artifact.approved_by}, is on {options.target}")
