"""An automatic chain: a frame is made on one server, delivered to another, edited there. Nobody has to decide.

python examples/automatic_chain.py --hub http://127.0.0.1:8190 --servers gpu-a gpu-b
"""

from __future__ import annotations

from running import DRAW, INVERT, execute_workflow, opened, parser

arguments = parser(__doc__)
arguments.add_argument("--servers", nargs=2, required=True, metavar="NAME", help="names from artifact-db.toml")
options = arguments.parse_args()
server_a, server_b = options.servers

with opened(options) as db:
    chain = db.create_chain(name="image-edit-to-video-pipeline")

    # Step 1: extract a frame
    workflow_1 = db.create_workflow(chain_id=chain.id, step_id="extract_frame1", workflow_name="imageSave")
    execute_workflow(db, workflow_1, DRAW, server_a)
    artifacts_1 = db.download_and_store_artifacts(workflow_1.id)
    # Its first output is the workflow's current artifact now.

    # Step 2: edit the frame, which depends on step 1
    workflow_2 = db.create_workflow(chain_id=chain.id, step_id="edit_frame1", workflow_name="qwen_image_edit")
    dep_artifact = db.get_latest_artifact(workflow_1.id, usable=True)
    transfer = db.upload_artifact_to_server(
        artifact=dep_artifact, target_server=server_b, target_workflow_id=workflow_2.id
    )
    graph = {**INVERT, "1": {"class_type": "LoadImage", "inputs": {"image": transfer.target_filename}}}
    execute_workflow(db, workflow_2, graph, server_b)
    db.download_and_store_artifacts(workflow_2.id)

    db.update_chain(chain.id, status="completed")
    print(chain.id)
