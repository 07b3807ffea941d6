"""Recording as the original design planned it: SQLAlchemy 2's ORM over aiosqlite, into the same tables, row for row."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from comfyui_artifact_db.library import identities
from comfyui_artifact_db.storage.local import Intent
from sqlalchemy import MetaData, Text, event, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.ext.automap import automap_base

Row = dict[str, Any]


async def record(path: Path, intents: Sequence[Intent]) -> float:
    """Record each intent in a transaction of its own; returns the seconds it took."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")

    @event.listens_for(engine.sync_engine, "connect")
    def pragmas(connection: Any, _: Any) -> None:
        for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = 1", "temp_store = memory"):
            connection.execute(f"PRAGMA {pragma}")

    tables = ("workflows", "attempts", "artifacts", "events", "artifact_transfers", "chains")
    metadata = MetaData()

    @event.listens_for(metadata, "column_reflect")
    def as_text(_: Any, __: Any, column: Any) -> None:
        if str(column["type"]) in ("TIMESTAMP", "JSON"):
            column["type"] = Text()

    async with engine.connect() as connection:
        await connection.run_sync(lambda sync: metadata.reflect(sync, only=tables))
    base = automap_base(metadata=metadata)
    base.prepare(generate_relationship=lambda *_, **__: None)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    try:
        began = time.perf_counter()
        for intent in intents:
            async with sessions() as session:
                await session.execute(text("BEGIN IMMEDIATE"))
                await _Record(session, base.classes, intent).write()
                await session.commit()
        return time.perf_counter() - began
    finally:
        await engine.dispose()


class _Record:
    """One record: the reads that the rules need, the rows, and the events with their hashes."""

    def __init__(self, session: AsyncSession, tables: Any, intent: Intent) -> None:
        self.session = session
        self.tables = tables
        self.intent = intent
        self.at = identities.now()
        self.last: tuple[int, str] | None = None

    async def write(self) -> None:
        tables, session, body = self.tables, self.session, self.intent.record
        run, (output,), (placement,) = body["run"], body["outputs"], self.intent.placements
        held = select(tables.attempts).where(
            tables.attempts.prompt_id == run["prompt_id"], tables.attempts.server_address == run["server_address"]
        )
        assert (await session.scalars(held)).first() is None
        graph = json.dumps(run["workflow_definition"])
        workflow = tables.workflows(
            **{"id": body["workflow_id"], "workflow_name": run["workflow_name"], "prompt_id": run["prompt_id"]},
            **{"server_address": run["server_address"], "status": "executing", "workflow_definition": graph},
            **{"queued_at": self.at, "created_at": self.at, "updated_at": self.at, "started_at": self.at},
            **{"requires_approval": 0, "revision": 1},
        )
        session.add(workflow)
        await session.flush()
        await self._log("workflow.created", "workflow", workflow.id, {"status": "executing"})
        number = await session.scalar(
            select(func.max(tables.attempts.number)).where(tables.attempts.workflow_id == workflow.id)
        )
        attempt = tables.attempts(
            **{"id": identities.new_id(), "workflow_id": workflow.id, "number": (number or 0) + 1},
            **{"server_address": run["server_address"], "prompt_id": run["prompt_id"], "status": "executing"},
            **{"workflow_definition": graph, "requested_by": run["requested_by"]},
            **{"queued_at": self.at, "started_at": self.at, "created_at": self.at, "updated_at": self.at},
        )
        session.add(attempt)
        await session.flush()
        await self._log("attempt.created", "attempt", attempt.id, {"status": "executing"})
        transfers = tables.artifact_transfers
        await session.scalars(select(transfers.artifact_id).where(transfers.target_workflow_id == workflow.id))
        assert await session.get(tables.artifacts, output["artifact_id"]) is None
        artifacts = tables.artifacts
        version = await session.scalar(
            select(func.max(artifacts.version)).where(
                artifacts.workflow_id == workflow.id, artifacts.output_key == output["output_key"]
            )
        )
        current = select(artifacts).where(artifacts.workflow_id == workflow.id, artifacts.is_latest.is_(True))
        assert (await session.scalars(current)).first() is None
        artifact = artifacts(
            **{"id": output["artifact_id"], "workflow_id": workflow.id, "attempt_id": attempt.id},
            **{"filename": output["filename"], "local_filename": placement.local_filename},
            **{"local_path": placement.local_path, "file_type": output["file_type"]},
            **{"file_format": output["file_format"], "file_size": placement.size, "node_id": output["node_id"]},
            **{"version": (version or 0) + 1, "is_latest": True, "is_head": True, "output_key": output["output_key"]},
            **{"approval_status": "auto_approved", "sha256": placement.sha256},
            **{"created_at": self.at, "updated_at": self.at, "revision": 1},
            **{"file_mtime_ns": placement.mtime_ns, "file_inode": placement.inode},
        )
        session.add(artifact)
        await session.flush()
        await self._log("artifact.recorded", "artifact", artifact.id, {"sha256": placement.sha256, "version": 1})
        await self._log("artifact.head_changed", "artifact", artifact.id, {"head_artifact_id": artifact.id})
        workflow.latest_artifact_id = artifact.id
        workflow.revision += 1
        await session.flush()
        await self._log("workflow.current_changed", "workflow", workflow.id, {"latest_artifact_id": artifact.id})

    async def _log(self, action: str, entity_type: str, entity_id: str, after: Row) -> None:
        events = self.tables.events
        if self.last is None:
            newest = await self.session.execute(select(events.seq, events.hash).order_by(events.seq.desc()).limit(1))
            row = newest.first()
            self.last = (row.seq, row.hash) if row else (0, "0" * 64)
        columns = {
            **{"seq": self.last[0] + 1, "at": self.at, "actor": "bench", "action": action},
            **{"entity_type": entity_type, "entity_id": entity_id, "after": json.dumps(after)},
            "previous_hash": self.last[1],
        }
        digest = hashlib.sha256(json.dumps(list(columns.values())).encode()).hexdigest()
        self.session.add(events(**columns, hash=digest))
        await self.session.flush()
        self.last = (columns["seq"], digest)
