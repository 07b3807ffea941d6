"""Habits that this house keeps, and bad habits of the field that it does not have."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from sources import ROOT, modules, package_of

SCRIPTS = sorted(path for path in (ROOT / "web").rglob("*.js")) if (ROOT / "web").is_dir() else []
LIBRARY = {path: tree for path, tree in modules().items() if package_of(path) == "library"}


def calls(tree: ast.AST) -> list[str]:
    return [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def broad_handlers(tree: ast.AST) -> list[ast.ExceptHandler]:
    broad = {"Exception", "BaseException"}
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or broad & {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)})
    ]


@pytest.mark.parametrize("path", modules())
def test_nothing_is_evaluated_and_nothing_is_printed_outside_of_the_shell(path: str) -> None:
    found = set(calls(modules()[path]))
    assert not found & {"eval", "exec", "compile", "__import__", "os.system", "pickle.loads", "pickle.load", "os.popen"}
    if not path.startswith("cli/") and path != "__main__.py":
        assert "print" not in found


@pytest.mark.parametrize("path", modules())
def test_no_path_comes_from_where_the_program_was_started(path: str) -> None:
    assert not {"os.getcwd", "Path.cwd", "os.chdir"} & set(calls(modules()[path]))


def test_bytes_are_put_on_the_disk_in_one_place_which_knows_how_each_system_does_it() -> None:
    assert [path for path, tree in modules().items() if "os.fsync" in ast.unparse(tree)] == ["storage/files.py"]


def test_a_broad_except_exists_in_one_place_at_most_where_it_logs() -> None:
    swallowing = [
        (path, handler)
        for path, tree in modules().items()
        for handler in broad_handlers(tree)
        # One that raises again only tidies up.
        if not (isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None)
    ]
    assert len(swallowing) <= 1, [(path, handler.lineno) for path, handler in swallowing]
    for _, handler in swallowing:
        assert any(call.startswith("logger.") for call in calls(handler))


@pytest.mark.parametrize("path", [path for path in modules() if path.split("/")[-1] != "__main__.py"])
def test_a_module_says_what_it_owns_and_has_future_annotations(path: str) -> None:
    tree = modules()[path]
    docstring = ast.get_docstring(tree)
    assert docstring, "a module says what it owns"
    if len(tree.body) > 1 and not path.startswith("nodes/"):
        assert isinstance(tree.body[1], ast.ImportFrom)
        assert tree.body[1].module == "__future__"


@pytest.mark.parametrize("path", modules())
def test_a_file_has_one_idea(path: str) -> None:
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= 400
    assert not set(Path(path).with_suffix("").parts) & {"utils", "helpers", "manager", "base", "common"}


def test_the_architecture_names_every_module_and_every_suite() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    owners = text[text.index("## Who owns what") : text.index("## The way of a picture")]
    named = set(re.findall(r"\w+", owners))
    # A module of `cli` is called after its command, and migrations are numbered.
    files = [Path(path) for path in modules() if not path.startswith(("cli/", "db/migrations/", "_"))]
    files += sorted((ROOT / "web" / "js").rglob("*.*js"))
    assert [str(path) for path in files if path.stem != "__init__" and path.stem not in named] == []
    suites = {path.parent for path in (ROOT / "tests").rglob("test_*.py")} | {ROOT / "tests" / "js"}
    assert [path.name for path in sorted(suites) if path.name != "tests" and f"`tests/{path.name}`" not in text] == []


def test_every_error_is_in_the_tree_or_below_it() -> None:
    tree = ast.get_docstring(modules()["errors.py"]) or ""
    known = set(re.findall(r"^class (\w+)\(", (ROOT / "errors.py").read_text(encoding="utf-8"), re.MULTILINE))
    told = set(re.findall(r"\w+", tree))
    for path, module in modules().items():
        for node in module.body:
            if path != "client/problems.py" and isinstance(node, ast.ClassDef):
                bases = {ast.unparse(base).split(".")[-1] for base in node.bases}
                if bases & known:
                    known.add(node.name)
    assert sorted(known - told) == []


def test_loggers_have_literal_names() -> None:
    for path, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "logging.getLogger":
                assert "__name__" not in ast.unparse(node), path
                assert "artifact_db" in ast.unparse(node) or path.startswith("cli/"), path


@pytest.mark.parametrize("path", LIBRARY)
def test_the_library_hands_out_no_rows(path: str) -> None:
    for node in LIBRARY[path].body:
        if isinstance(node, ast.FunctionDef) and node.returns is not None:
            assert "models." not in ast.unparse(node.returns), f"{path}: {node.name}"
    peewees = {"get_by_id", "get_or_none", "get_or_create", "create", "save", "delete_instance"}
    assert not [call for call in calls(LIBRARY[path]) if call.startswith("models.") and call.split(".")[-1] in peewees]


def test_only_the_library_opens_transactions() -> None:
    for path, tree in modules().items():
        if package_of(path) not in ("library", "db"):
            opened = [call for call in calls(tree) if call.endswith((".writing", ".database.reading"))]
            assert not opened, f"{path}: {opened}"


def test_a_condition_on_a_flag_of_a_partial_index_is_a_literal() -> None:
    for path, tree in LIBRARY.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and ast.unparse(node.left).endswith((".is_latest", ".is_head")):
                assert "TRUE" in ast.unparse(node.comparators[0]), f"{path}:{node.lineno}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_data_reaches_the_page_as_text(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    for trick in (
        r"\.innerHTML",
        r"\.outerHTML",
        r"insertAdjacentHTML",
        r"document\.write",
        r"\beval\(",
        r"new Function\(",
    ):
        assert not re.search(trick, text), f"{script.name}: {trick}"


def test_no_path_of_a_developers_machine_is_in_the_tree() -> None:
    suspicious = re.compile(r"/(home|Users|root|work)/[A-Za-z0-9_.-]+/")
    for path in sorted(ROOT.rglob("*.py")):
        if path.relative_to(ROOT).parts[0] not in (".cache", ".venv", "build"):
            assert not suspicious.search(path.read_text(encoding="utf-8")), path.name
