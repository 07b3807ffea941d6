"""Owns the tables as Peewee models. The migrations make the tables; a test holds the two against each other.

The models talk to the database whose `reading()` or `writing()` they are used in, and to none outside of one,
so that several databases can be open in one process and no query escapes its transaction.
"""

from __future__ import annotations

from peewee import (
    AutoField,
    CompositeKey,
    ForeignKeyField,
    IntegerField,
    Model,
    TextField,
)

from .connections import CURRENT, BooleanColumn, JSONColumn, TimestampField


class Row(Model):
    class Meta:
        database = CURRENT
        legacy_table_names = False


class Chain(Row):
    id = TextField(primary_key=True)
    name = TextField()
    description = TextField(null=True)
    temporal_workflow_id = TextField(null=True, unique=True)
    temporal_run_id = TextField(null=True)
    status = TextField()
    current_level = IntegerField(null=True, default=0)
    started_at = TimestampField()
    completed_at = TimestampField(null=True)
    error_message = TextField(null=True)
    chain_definition = JSONColumn(null=True)
    created_at = TimestampField(null=True)
    updated_at = TimestampField(null=True)
    revision = IntegerField(default=1)
    deleted_at = TimestampField(null=True)
    purged_at = TimestampField(null=True)

    class Meta:
        table_name = "chains"


class Workflow(Row):
    id = TextField(primary_key=True)
    chain_id = ForeignKeyField(Chain, null=True, on_delete="CASCADE", index=False)
    step_id = TextField(null=True)
    workflow_name = TextField()
    server_address = TextField()
    prompt_id = TextField()
    temporal_workflow_id = TextField(null=True)
    temporal_run_id = TextField(null=True)
    status = TextField()
    # A plain column for Peewee: its deferred foreign keys would make none on SQLite; the migration makes it.
    latest_artifact_id = TextField(null=True)
    queued_at = TimestampField()
    started_at = TimestampField(null=True)
    completed_at = TimestampField(null=True)
    error_message = TextField(null=True)
    workflow_definition = JSONColumn(null=True)
    parameters = JSONColumn(null=True)
    created_at = TimestampField(null=True)
    updated_at = TimestampField(null=True)
    requires_approval = BooleanColumn(default=False)
    revision = IntegerField(default=1)
    chain_deleted_at = TimestampField(null=True)

    class Meta:
        table_name = "workflows"


class Attempt(Row):
    id = TextField(primary_key=True)
    workflow_id = ForeignKeyField(Workflow, on_delete="CASCADE", index=False)
    number = IntegerField()
    server_address = TextField()
    prompt_id = TextField()
    status = TextField()
    parameters = JSONColumn(null=True)
    workflow_definition = JSONColumn(null=True)
    extra_pnginfo = JSONColumn(null=True)
    client_id = TextField(null=True)
    requested_by = TextField(null=True)
    error_message = TextField(null=True)
    queued_at = TimestampField()
    started_at = TimestampField(null=True)
    completed_at = TimestampField(null=True)
    created_at = TimestampField()
    updated_at = TimestampField()

    class Meta:
        table_name = "attempts"


class Override(Row):
    """What was asked for in an attempt, in place of what the chain's definition says."""

    attempt_id = ForeignKeyField(Attempt, primary_key=True, on_delete="CASCADE")
    parameters = JSONColumn()

    class Meta:
        table_name = "overrides"


class Drive(Row):
    """A chain that an engine drives. Its definition is the chain's."""

    chain_id = ForeignKeyField(Chain, primary_key=True, on_delete="CASCADE")
    engine = TextField()
    parameters = JSONColumn()
    source_chain_id = TextField(null=True)
    started_by = TextField()
    ended_at = TimestampField(null=True)

    class Meta:
        table_name = "drives"


class Lease(Row):
    """Which process drives a chain, and until when nobody else does."""

    chain_id = ForeignKeyField(Chain, primary_key=True, on_delete="CASCADE")
    holder = TextField()
    expires_at = TimestampField()

    class Meta:
        table_name = "leases"


class Artifact(Row):
    id = TextField(primary_key=True)
    workflow_id = ForeignKeyField(Workflow, on_delete="CASCADE", index=False)
    filename = TextField()
    local_filename = TextField(unique=True)
    local_path = TextField(unique=True)
    file_type = TextField()
    file_format = TextField(null=True)
    file_size = IntegerField(null=True)
    node_id = TextField(null=True)
    subfolder = TextField(null=True, default="")
    comfy_folder_type = TextField(null=True, default="output")
    version = IntegerField(null=True, default=1)
    is_latest = BooleanColumn(null=True, default=True)
    parent_artifact_id = ForeignKeyField("self", null=True, on_delete="SET NULL", index=False)
    approval_status = TextField(null=True, default="auto_approved")
    approved_by = TextField(null=True)
    approved_at = TimestampField(null=True)
    rejection_reason = TextField(null=True)
    metadata = JSONColumn(null=True)
    created_at = TimestampField(null=True)
    updated_at = TimestampField(null=True)
    output_key = TextField()
    attempt_id = ForeignKeyField(Attempt, null=True, on_delete="SET NULL", index=False)
    is_head = BooleanColumn(default=False)
    sha256 = TextField()
    decided_sha256 = TextField(null=True)
    decided_by = TextField(null=True)
    decided_at = TimestampField(null=True)
    source_artifact_id = ForeignKeyField("self", null=True, on_delete="SET NULL", index=False)
    bytes_removed_at = TimestampField(null=True)
    deleted_at = TimestampField(null=True)
    file_mtime_ns = IntegerField(null=True)
    file_inode = IntegerField(null=True)
    revision = IntegerField(default=1)
    chain_deleted_at = TimestampField(null=True)

    class Meta:
        table_name = "artifacts"


class Transfer(Row):
    id = TextField(primary_key=True)
    artifact_id = ForeignKeyField(Artifact, on_delete="CASCADE", index=False)
    source_workflow_id = ForeignKeyField(Workflow, on_delete="CASCADE", index=False)
    target_workflow_id = ForeignKeyField(Workflow, null=True, on_delete="CASCADE", index=False)
    target_server = TextField()
    target_subfolder = TextField(null=True, default="")
    status = TextField()
    uploaded_at = TimestampField(null=True)
    error_message = TextField(null=True)
    created_at = TimestampField(null=True)
    attempts = IntegerField(default=0)
    target_filename = TextField(null=True)
    receipt_sha256 = TextField(null=True)
    requested_by = TextField(null=True)
    updated_at = TimestampField(null=True)

    class Meta:
        table_name = "artifact_transfers"


class Tag(Row):
    artifact_id = ForeignKeyField(Artifact, on_delete="CASCADE", index=False)
    tag = TextField()
    created_by = TextField(null=True)
    created_at = TimestampField()

    class Meta:
        table_name = "tags"
        primary_key = CompositeKey("artifact_id", "tag")


class Lineage(Row):
    """Which artifacts went into which attempt, and through which door (node, transfer, chain)."""

    attempt_id = ForeignKeyField(Attempt, on_delete="CASCADE", index=False)
    artifact_id = ForeignKeyField(Artifact, on_delete="CASCADE", index=False)
    via = TextField()
    created_at = TimestampField()

    class Meta:
        table_name = "lineage"
        primary_key = CompositeKey("attempt_id", "artifact_id")


class PurgedVersion(Row):
    """The highest version number of an output that went with the trash: none is ever used twice."""

    workflow_id = ForeignKeyField(Workflow, on_delete="CASCADE", index=False)
    output_key = TextField()
    version = IntegerField()

    class Meta:
        table_name = "purged_versions"
        primary_key = CompositeKey("workflow_id", "output_key")


class PurgedRelation(Row):
    """What an artifact that went with the trash was made from, and what was made from it. It outlives both."""

    artifact_id = TextField()
    ancestor_id = TextField()
    relation = TextField()

    class Meta:
        table_name = "purged_relations"
        primary_key = CompositeKey("artifact_id", "ancestor_id", "relation")


class Event(Row):
    """One row of the append-only log. It has no foreign keys: it outlives what it speaks of."""

    seq = AutoField()
    at = TimestampField()
    actor = TextField()
    action = TextField()
    entity_type = TextField()
    entity_id = TextField()
    chain_id = TextField(null=True)
    workflow_id = TextField(null=True)
    before = TextField(null=True)
    after = TextField(null=True)
    previous_hash = TextField()
    hash = TextField()

    class Meta:
        table_name = "events"


class Token(Row):
    """What opens the routes to somebody elsewhere: a name, a role, and of the secret its hash."""

    id = TextField(primary_key=True)
    name = TextField()
    role = TextField()
    hash = TextField(unique=True)
    created_at = TimestampField()
    created_by = TextField()
    expires_at = TimestampField(null=True)
    revoked_at = TimestampField(null=True)

    class Meta:
        table_name = "tokens"


class Session(Row):
    """A browser that was let in with a token; of what its cookie holds the hash."""

    hash = TextField(primary_key=True)
    token_id = ForeignKeyField(Token, on_delete="CASCADE", index=False)
    created_at = TimestampField()
    expires_at = TimestampField()

    class Meta:
        table_name = "sessions"


class IdempotencyKey(Row):
    """A request that may be repeated: what it made or changed, and how it was answered."""

    key = TextField(primary_key=True)
    fingerprint = TextField()
    entity_type = TextField(null=True)
    entity_id = TextField(null=True)
    answer = JSONColumn(null=True)
    created_at = TimestampField()

    class Meta:
        table_name = "idempotency_keys"


class ImportFolder(Row):
    """A folder whose files were imported: its path on this machine, which nobody else is told."""

    id = AutoField()
    path = TextField(unique=True)

    class Meta:
        table_name = "import_folders"


class ImportedFile(Row):
    """A file that an import has seen: what `stat` said of it, its hash, and which artifact has its bytes."""

    folder_id = ForeignKeyField(ImportFolder, on_delete="CASCADE", index=False)
    name = TextField()
    size = IntegerField()
    mtime_ns = IntegerField()
    sha256 = TextField()
    artifact_id = TextField()

    class Meta:
        table_name = "imported_files"
        primary_key = CompositeKey("folder_id", "name")


class StoreIdentity(Row):
    """The one row that says which store the others speak of."""

    place = IntegerField(primary_key=True)
    id = TextField()
    since = TimestampField()

    class Meta:
        table_name = "store_identity"


class ArtifactFilter(Row):
    """Which artifacts have a tag, or are of a step or a chain, in the order of lists. Triggers write it."""

    kind = TextField()
    value = TextField()
    created_at = TimestampField()
    artifact_id = TextField()

    class Meta:
        table_name = "artifact_filters"
        primary_key = CompositeKey("kind", "value", "created_at", "artifact_id")


class ArtifactSearchRow(Row):
    """Which row of the full-text index is whose. Triggers write both."""

    search_row = AutoField()
    artifact_id = TextField(unique=True)

    class Meta:
        table_name = "artifact_search_rows"


class TagCount(Row):
    """How many artifacts that are not in the trash have a tag; there is no row for none. Triggers write it."""

    tag = TextField(primary_key=True)
    count = IntegerField()

    class Meta:
        table_name = "tag_counts"


TABLES: tuple[type[Row], ...] = (
    *(Chain, Drive, Lease, Workflow, Attempt, Override, Artifact, Transfer, Tag, Lineage, Event),
    *(Token, Session, IdempotencyKey, StoreIdentity),
    *(ImportFolder, ImportedFile),
    *(ArtifactFilter, ArtifactSearchRow, TagCount),
    *(PurgedVersion, PurgedRelation),
)
"""Every table but the full-text indexes, which are of an engine of its own."""
