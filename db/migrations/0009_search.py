"""The full-text index over all that is known of an artifact, and how many artifacts have each tag.

The view `artifact_search_source` says what stands in the index for each artifact, and triggers copy it from there
whenever a row changes: one place knows. There are two indexes, of everything, and of the file's name and the tags
alone, whose matches are shown first; among those of a common word in everything they would have to be looked for.

The tokenizer divides words at blanks. In scripts that have none each character is made a word of its own, and what is
searched for a phrase of them. Prompts are bounded; what is no text, as hostile metadata may have it, is left out. A
migration that makes `artifacts`, `tags` or `workflows` anew has to make the view and the triggers anew too.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

UNDIVIDED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e"  # Thai
    "\u0e81-\u0ebd\u0ec0-\u0ecd\u0edc-\u0edf"  # Lao
    "\u1000-\u103f\u1780-\u17d3"  # Burmese, Khmer
    "\u3005-\u3007\u3041-\u3096\u3099-\u309f\u30a1-\u30ff\u31f0-\u31ff"  # Japanese
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"  # Chinese, Japanese
)
PROMPT, NEGATIVE_PROMPT, NAMES, NAME = 6000, 2000, 32, 255
"""At most so many characters of each prompt, so many models and LoRAs, and so many characters of the name of one."""

NAMED = ("filename", "tags")
EVERYTHING = (*NAMED, "workflow_name", "step_id", "chain_name", "models", "reasons", "prompt")

SIGN, WIDTHS = 0xE000, (6, 12, 18)
"""The first of the private characters that words of our own begin with, and how many bits wide their windows are."""


def _divided(text: str) -> str:
    """A text with blanks around every character of a script that has none between words.

    Most texts are of single bytes only, which is told at once.
    """
    return f"""
        CASE WHEN length({text}) < length(CAST({text} AS BLOB)) AND {text} GLOB '*[{UNDIVIDED}]*' THEN (
            WITH RECURSIVE letters(letter, rest) AS (
                SELECT '', {text} UNION ALL SELECT substr(rest, 1, 1), substr(rest, 2) FROM letters WHERE rest <> '')
            SELECT group_concat(CASE WHEN letter GLOB '[{UNDIVIDED}]' THEN ' ' || letter || ' ' ELSE letter END, '')
            FROM letters)
        ELSE {text} END
    """


def _prompt(key: str, longest: int) -> str:
    path = f"'$.generation.{key}.value'"
    return (
        f"CASE json_type(metadata, {path}) WHEN 'text' THEN substr(json_extract(metadata, {path}), 1, {longest})"
        " ELSE '' END"
    )


def _models(key: str) -> str:
    return f"""
        coalesce((SELECT group_concat(substr(name, 1, {NAME}), ' ') FROM (
            SELECT CASE WHEN type = 'object' AND json_type(value, '$.name') = 'text'
                THEN json_extract(value, '$.name') END AS name
            FROM json_each(metadata, '$.generation.{key}.value') LIMIT {NAMES})), '')
    """


def _joined(columns: tuple[str, ...]) -> str:
    """One text: in which windows the row is, and the columns, with a sign between them that no phrase goes across."""
    windows = " || ' ' || ".join(f"char({SIGN + bits}) || printf('%x', search_row >> {bits})" for bits in WIDTHS)
    return windows + "".join(f" || ' ' || char({SIGN}) || ' ' || coalesce({column}, '')" for column in columns)


SOURCE = f"""
    CREATE VIEW artifact_search_source AS
    SELECT artifact_id, search_row, {_joined(NAMED)} AS names, {_joined(EVERYTHING)} AS everything
    FROM (
    SELECT artifact_id, search_row, {_divided("filename")} AS filename, {_divided("tags")} AS tags,
        {_divided("workflow_name")} AS workflow_name, {_divided("step_id")} AS step_id,
        {_divided("chain_name")} AS chain_name, {_models("models")} || ' ' || {_models("loras")} AS models,
        {_divided("reasons")} AS reasons, {_divided("prompt")} AS prompt
    FROM (
        SELECT *, {_prompt("prompt", PROMPT)} || ' ' || {_prompt("negative_prompt", NEGATIVE_PROMPT)} AS prompt
        FROM (
            SELECT a.id AS artifact_id, r.search_row, a.filename, w.workflow_name, w.step_id, c.name AS chain_name,
                (SELECT group_concat(tag, ' ') FROM (SELECT tag FROM tags WHERE artifact_id = a.id ORDER BY tag))
                    AS tags,
                a.rejection_reason AS reasons, iif(json_valid(a.metadata), a.metadata, '{{}}') AS metadata
            FROM artifacts AS a JOIN artifact_search_rows AS r ON r.artifact_id = a.id
            JOIN workflows AS w ON w.id = a.workflow_id LEFT JOIN chains AS c ON c.id = w.chain_id
        )
    ))
"""


def _made(table: str, column: str) -> str:
    return (
        f"CREATE VIRTUAL TABLE {table} USING fts5({column},"
        " tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3 4', columnsize = 0)"
    )


def _copied(table: str, column: str) -> str:
    return f"INSERT INTO {table} (rowid, {column}) SELECT search_row, {column} FROM artifact_search_source"


def _renewed(table: str, column: str, artifact: str) -> str:
    return (
        f"UPDATE {table} SET {column} = (SELECT {column} FROM artifact_search_source WHERE artifact_id = {artifact})"
        f" WHERE rowid = (SELECT search_row FROM artifact_search_rows WHERE artifact_id = {artifact});"
    )


def _removed(table: str) -> str:
    return (
        f"DELETE FROM {table} WHERE rowid = (SELECT search_row FROM artifact_search_rows WHERE artifact_id = OLD.id);"
    )


def _counted(change: int, tag: str) -> str:
    return f"UPDATE tag_counts SET count = count + {change} WHERE tag {tag};"


INDEXES = (("artifact_search", "everything"), ("artifact_names", "names"))
TRASHED = "AFTER UPDATE OF deleted_at, chain_deleted_at ON artifacts"
OF_OLD = "IN (SELECT tag FROM tags WHERE artifact_id = OLD.id)"
UNUSED = "DELETE FROM tag_counts WHERE count = 0 AND tag"
NEW_TAG = (
    "INSERT INTO tag_counts (tag, count) SELECT {0}, 0 WHERE NOT EXISTS (SELECT 1 FROM tag_counts WHERE tag = {0})"
)


def _there(row: str) -> str:
    """That an artifact is in no trash."""
    return f"({row}.deleted_at IS NULL AND {row}.chain_deleted_at IS NULL)"


def _triggers() -> dict[str, str]:
    old, new = _there("OLD"), _there("NEW")
    exists = f"EXISTS (SELECT 1 FROM artifacts AS a WHERE a.id = {{0}}.artifact_id AND {_there('a')})"
    return {
        "artifact_search_insert": "AFTER INSERT ON artifacts BEGIN"
        " INSERT INTO artifact_search_rows (artifact_id) VALUES (NEW.id); "
        + "".join(f"{_copied(*index)} WHERE artifact_id = NEW.id; " for index in INDEXES)
        + "END",
        "artifact_search_update": "AFTER UPDATE OF rejection_reason, metadata ON artifacts"
        " WHEN OLD.rejection_reason IS NOT NEW.rejection_reason OR OLD.metadata IS NOT NEW.metadata BEGIN "
        + _renewed("artifact_search", "everything", "NEW.id")
        + " END",
        "artifact_search_delete": "BEFORE DELETE ON artifacts BEGIN "
        + " ".join(_removed(table) for table, _ in INDEXES)
        + " DELETE FROM artifact_search_rows WHERE artifact_id = OLD.id; END",
        **{
            f"artifact_search_{name}": f"AFTER {event} ON tags BEGIN "
            + " ".join(_renewed(*index, f"{row}.artifact_id") for index in INDEXES)
            + " END"
            for name, event, row in (("tag", "INSERT", "NEW"), ("untag", "DELETE", "OLD"))
        },
        "tag_counts_tag": f"AFTER INSERT ON tags WHEN {exists.format('NEW')} BEGIN"
        f" {NEW_TAG.format('NEW.tag')}; {_counted(1, '= NEW.tag')} END",
        # Of an artifact that is deleted the row is gone by now: the next trigger has seen to its tags.
        "tag_counts_untag": f"AFTER DELETE ON tags WHEN {exists.format('OLD')} BEGIN"
        f" {_counted(-1, '= OLD.tag')} {UNUSED} = OLD.tag; END",
        "tag_counts_delete": f"BEFORE DELETE ON artifacts WHEN {old} BEGIN"
        f" {_counted(-1, OF_OLD)} {UNUSED} {OF_OLD}; END",
        "tag_counts_into_trash": f"{TRASHED} WHEN {old} AND NOT {new} BEGIN"
        f" {_counted(-1, OF_OLD)} {UNUSED} {OF_OLD}; END",
        "tag_counts_out_of_trash": f"{TRASHED} WHEN NOT {old} AND {new} BEGIN"
        " INSERT INTO tag_counts (tag, count) SELECT tag, 0 FROM tags WHERE artifact_id = NEW.id"
        f" AND tag NOT IN (SELECT tag FROM tag_counts); {_counted(1, OF_OLD)} END",
    }


def up(migrator: Any, db: Any) -> None:
    for statement in (
        *(f"DROP TRIGGER artifact_search_{event}" for event in ("insert", "delete")),
        "DROP TABLE artifact_search",
        SOURCE,
        *(_made(*index) for index in INDEXES),
        "CREATE VIRTUAL TABLE artifact_search_words USING fts5vocab(artifact_search, instance)",
        *(f"{_copied(*index)} ORDER BY search_row" for index in INDEXES),
        "CREATE TABLE tag_counts (tag TEXT NOT NULL PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE INDEX idx_tag_counts_tag ON tag_counts(tag COLLATE NOCASE, tag)",
        "INSERT INTO tag_counts (tag, count) SELECT t.tag, COUNT(*) FROM tags AS t"
        f" JOIN artifacts AS a ON a.id = t.artifact_id WHERE {_there('a')} GROUP BY t.tag",
        *(f"CREATE TRIGGER {name} {text}" for name, text in _triggers().items()),
    ):
        db.execute_sql(statement)


def down(migrator: Any, db: Any) -> None:
    for name in _triggers():
        db.execute_sql(f"DROP TRIGGER {name}")
    for table in ("tag_counts", "artifact_search_words", "artifact_names", "artifact_search"):
        db.execute_sql(f"DROP TABLE {table}")
    db.execute_sql("DROP VIEW artifact_search_source")
    names = runpy.run_path(str(Path(__file__).with_name("0003_search.py")))["UP"]
    for statement in names:
        # The rows have kept their numbers all along.
        if not statement.startswith(("CREATE TABLE artifact_search_rows", "INSERT INTO artifact_search_rows")):
            db.execute_sql(statement)
