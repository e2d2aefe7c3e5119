"""The import arrows of the design hold, importing does nothing, and a verb has one name everywhere."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "layers" / "eclair" / "eclair"
VERBS = {"push", "index", "refresh", "match", "judge", "notify", "quiet", "report"}
OUTSIDE = {"aws_lambda_powertools", "boto3", "botocore", "mypy_boto3_sns", "mypy_boto3_sqs", "pynamodb", "requests"}
"""The packages that speak to AWS or over HTTP."""
IN_ONE_PROCESS = {"cli", "scan"}
"""What runs the use cases in one process, beside the functions."""


def modules() -> dict[str, Path]:
    """Return our modules by their dotted names below `eclair`."""
    found = {path.relative_to(PACKAGE).with_suffix("").as_posix(): path for path in PACKAGE.rglob("*.py")}
    names = {name.removesuffix("/__init__").replace("/", "."): path for name, path in found.items()}
    return {name: path for name, path in names.items() if name != "__init__"}


@cache
def imports(path: Path) -> frozenset[str]:
    """Return the full names of what a file imports, wherever in it."""
    return frozenset(_imports(ast.parse(path.read_text())))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(path: Path) -> set[str]:
    """Return which of our modules a file imports."""
    return {name.removeprefix("eclair.") for name in imports(path)} & modules().keys()


def third_party(path: Path) -> set[str]:
    tops = {name.partition(".")[0] for name in imports(path)}
    return tops - sys.stdlib_module_names - {"eclair", "infra"}


def in_folder(folder: str) -> dict[str, Path]:
    return {name: path for name, path in modules().items() if name.startswith(f"{folder}.")}


def adapters() -> set[str]:
    return set(in_folder("adapters"))


FUNCTIONS = sorted((ROOT / "functions").glob("*/app.py"))


@pytest.mark.parametrize("name", ["model", "errors"])
def test_values_and_errors_stand_on_nothing(name: str) -> None:
    assert not ours(modules()[name])
    assert not third_party(modules()[name])


def test_ports_speak_our_words_only() -> None:
    assert ours(modules()["ports"]) == {"model"}


@pytest.mark.parametrize("folder", ["ecosystems", "feeds"])
def test_an_ecosystem_or_a_feed_knows_neither_its_siblings_nor_who_uses_it(folder: str) -> None:
    for name, path in in_folder(folder).items():
        known = ours(path)
        assert not known & (VERBS | adapters() | IN_ONE_PROCESS | {"application", "ports"}), name
        assert not known & set(in_folder(folder)), name


def test_nobody_asks_for_one_ecosystem_or_feed_by_name() -> None:
    named = {*in_folder("ecosystems"), *in_folder("feeds")}
    for name, path in modules().items():
        assert not ours(path) & named, name


def test_only_adapters_and_those_who_join_them_speak_to_the_outside() -> None:
    for name, path in modules().items():
        if name not in adapters() | {"application", "cli"}:
            assert not third_party(path) & OUTSIDE, name


def test_use_cases_know_ports_and_no_adapter() -> None:
    for verb in VERBS:
        assert not ours(modules()[verb]) & (adapters() | {"application", "cli"}), verb


def test_adapters_know_no_use_case_and_no_one_who_joins_them() -> None:
    for name in adapters():
        forbidden = VERBS | IN_ONE_PROCESS | {"application", *in_folder("ecosystems"), *in_folder("feeds")}
        assert not ours(modules()[name]) & forbidden, name


def test_only_what_runs_the_application_asks_for_it() -> None:
    for name, path in modules().items():
        assert "cli" not in ours(path), name
        if name not in IN_ONE_PROCESS:
            assert "application" not in ours(path), name


def test_a_function_holds_an_event_a_use_case_and_an_answer() -> None:
    assert {path.parent.name for path in FUNCTIONS} == VERBS
    for path in FUNCTIONS:
        assert "application" in ours(path)
        assert third_party(path) <= {"aws_lambda_powertools"}, path
        assert not {name for name in imports(path) if name.startswith("functions")}, path


def test_the_environment_is_read_in_one_place() -> None:
    readers = {name for name, path in modules().items() if "os.environ" in path.read_text()}
    assert readers == {"application"}


def test_modules_import_each_other_in_no_circle() -> None:
    graph = {name: ours(path) - {name} for name, path in modules().items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_importing_does_nothing() -> None:
    """Every module and handler is imported with an empty environment, where nothing may be opened or connected to."""
    paths = [str(path.parent) for path in FUNCTIONS]
    code = f"""
import importlib, importlib.util, pathlib, sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen") or (
        event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    ):
        raise SystemExit(f"{{event}} {{arguments}}")
sys.addaudithook(refuse)
for name in {sorted(modules())!r}:
    importlib.import_module("eclair." + name)
for folder in {paths!r}:
    spec = importlib.util.spec_from_file_location(pathlib.Path(folder).name, folder + "/app.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
"""
    done = subprocess.run([sys.executable, "-B", "-c", code], env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (`!Ref`) as nothing."""


_Loader.add_multi_constructor("!", lambda _loader, _tag, _node: None)


def test_the_template_and_the_readme_name_every_feed_and_ecosystem() -> None:
    parameters = yaml.load((ROOT / "template.yaml").read_text(), _Loader)["Parameters"]
    feeds = sorted(name.partition(".")[2] for name in in_folder("feeds"))
    assert parameters["Feeds"]["Default"].split(",") == feeds
    rows = [line.split("|")[1] for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("|")]
    named = {word.strip() for row in rows for word in row.split(",")}
    assert named.issuperset(feeds)
    assert named.issuperset(name.partition(".")[2] for name in in_folder("ecosystems"))


def test_a_verb_has_one_name_in_five_places() -> None:
    """The function's folder, the use case, the resource of the template, the test and the README's line."""
    resources = yaml.load((ROOT / "template.yaml").read_text(), _Loader)["Resources"]
    readme = (ROOT / "README.md").read_text()
    for verb in VERBS:
        assert (ROOT / "functions" / verb / "app.py").is_file()
        assert f"{verb.title()}Function" in resources
        assert (ROOT / "tests" / "functions" / f"test_{verb}.py").is_file(), verb
        assert f"| {verb} |" in readme, verb
