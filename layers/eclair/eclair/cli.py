"""The `eclair` command: the same core as the functions, in one process; and the local stack."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from getpass import getuser
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from eclair import ecosystems, feeds
from eclair.adapters.archive import OpenArchive, open_archive
from eclair.adapters.documents import CachedDocuments, documents
from eclair.application import cache_folder, on_aws
from eclair.errors import BadInput, EclairError, NotFound
from eclair.image.reference import ArchiveReference, parse
from eclair.model import CoverageState, Platform, Repository, RuleBook, Severity
from eclair.report import ExplainedPackage, Finding, ImageReport
from eclair.scan import Scan
from eclair.vercmp import compare_lines

OK, MET, FAILED = 0, 1, 2
SBOMS = ("cyclonedx", "spdx")
"""The forms of a bill of materials, each a function of `eclair.sbom`."""
USABLE = frozenset({CoverageState.OK, CoverageState.STALE, CoverageState.APPROXIMATE, CoverageState.UNSUPPORTED})
"""What coverage may say of a namespace for which a feed was loaded."""
COLOURS = {Severity.CRITICAL: "1;31", Severity.HIGH: "31", Severity.MEDIUM: "33", Severity.LOW: "36"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit with its code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 done, 1 `--fail-on` is met, 2 an error or no usable feed."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except EclairError as error:
        print(f"eclair: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="eclair", description="Find what is vulnerable in container images.")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    image = argparse.ArgumentParser(add_help=False)
    image.add_argument(
        "reference",
        metavar="REF",
        help="registry/repo:tag, oci:DIR, oci-archive:FILE, docker-archive:FILE[.gz] or dir:ROOTFS",
    )
    image.add_argument("--platform", default="linux/amd64", help="os/arch[/variant] of an index (linux/amd64)")
    image.add_argument("--json", action="store_true", help="print JSON")
    image.add_argument("--insecure-registry", action="append", default=[], metavar="HOST", help="speak http to it")
    sources = argparse.ArgumentParser(add_help=False)
    sources.add_argument("--feeds", default="", metavar="A,B", help="feeds to use (all)")
    sources.add_argument(
        "--feed-mirror", default="", metavar="DIR_OR_URL", help="read https://HOST/PATH from it/HOST/PATH"
    )
    scan = verbs.add_parser("scan", parents=[image, sources], help="report what is vulnerable in an image")
    scan.add_argument("--all", action="store_true", help="show the states that are hidden otherwise")
    severities = [severity.value for severity in Severity if severity is not Severity.UNKNOWN]
    scan.add_argument("--fail-on", choices=severities, help="exit with 1 at this severity or worse")
    scan.add_argument(
        "--ignore", action="append", default=[], type=Path, metavar="FILE", help="ignore rules, JSON or YAML"
    )
    scan.add_argument(
        "--vex", action="append", default=[], type=Path, metavar="FILE", help="an OpenVEX or CSAF document"
    )
    scan.set_defaults(command=_scan)
    explain = verbs.add_parser(
        "explain", parents=[image, sources], help="say why an image is affected by a vulnerability or not"
    )
    explain.add_argument("vulnerability", metavar="CVE")
    explain.set_defaults(command=_explain)
    packages = verbs.add_parser("packages", parents=[image], help="list what is installed in an image")
    packages.add_argument("--format", choices=("table", "json", *SBOMS), help="as --json, or a bill of materials")
    packages.set_defaults(command=_packages)
    vercmp = verbs.add_parser("vercmp", help="compare versions: lines `A B` on standard input give <, =, > or !")
    vercmp.add_argument("scheme", metavar="SCHEME", help=f"one of {', '.join(sorted(ecosystems.load()))}")
    vercmp.set_defaults(command=_vercmp)
    _add_feeds(verbs)
    _add_rules(verbs)
    _add_local(verbs)
    return parser


def _add_feeds(verbs: Any) -> None:
    listing = verbs.add_parser(
        "feeds",
        help="how the feeds of a deployed Eclair stand; copy feeds for a network without a way out",
        description="List how the feeds of a deployed Eclair stand, read from its API or, where the variables of its"
        " functions are set (ECLAIR_ADVISORIES_TABLE, ECLAIR_FEEDS), from its tables. Exits with 1 if one is not ok.",
    )
    listing.add_argument("--api", default="", metavar="URL", help="the ApiUrl of the stack's outputs")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(command=_feeds)
    actions = listing.add_subparsers(metavar="ACTION")
    export = actions.add_parser("export", help="copy the feeds' documents into a mirror folder for --feed-mirror")
    export.add_argument("folder", metavar="DIR", type=Path)
    export.add_argument("--feeds", default="", metavar="A,B", help="feeds to copy (all)")
    export.add_argument("--feed-mirror", default="", metavar="DIR_OR_URL", help="copy from there, not the vendors")
    export.set_defaults(command=_export)


def _add_rules(verbs: Any) -> None:
    api = argparse.ArgumentParser(add_help=False)
    api.add_argument("--api", required=True, metavar="URL", help="the ApiUrl of the stack's outputs")
    rules = verbs.add_parser("rules", help="what a deployed Eclair keeps quiet: ignore rules, VEX, quiet hours")
    actions = rules.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", parents=[api], help="list them")
    listing.add_argument("--json", action="store_true", help="print JSON, which `put` takes")
    listing.set_defaults(command=_list_rules)
    put = actions.add_parser("put", parents=[api], help="store what a file says: rules, quiet hours, or a VEX document")
    put.add_argument("files", metavar="FILE", nargs="+", type=Path, help="a VEX document goes by the name of its file")
    put.set_defaults(command=_put_rules)
    delete = actions.add_parser("delete", parents=[api], help="keep quiet no more")
    delete.add_argument("ids", metavar="ID", nargs="+")
    delete.set_defaults(command=_delete_rules)


def _add_local(verbs: Any) -> None:
    local = verbs.add_parser("local", help="the whole stack on this machine, on an emulator of AWS")
    actions = local.add_subparsers(required=True, metavar="ACTION")
    up = actions.add_parser("up", help="set up and start")
    up.add_argument("--feed-mirror", default=None, metavar="DIR_OR_URL")
    up.add_argument("--port", type=int, default=None, help="where the emulator listens (4566)")
    up.set_defaults(command=lambda options: _local("up", mirror=options.feed_mirror, port=options.port))
    demo = actions.add_parser("demo", help="push an image, publish an advisory, and see the notice arrive")
    demo.add_argument("--port", type=int, default=None, help="where the emulator listens (4566)")
    demo.set_defaults(command=lambda options: _local("demo", module="demo", port=options.port))
    push = actions.add_parser("push", help="push an OCI layout to the stack's registry and print its report")
    push.add_argument("layout", metavar="OCI_LAYOUT", help="a folder, or a tar archive of one")
    push.add_argument("name", metavar="NAME:TAG")
    push.set_defaults(command=lambda options: _local("push", options.layout, options.name, module="use"))
    report = actions.add_parser("report", help="print the report of an image that was pushed")
    report.add_argument("name", metavar="NAME:TAG")
    report.add_argument("--json", action="store_true")
    report.set_defaults(command=lambda options: _local("report", options.name, module="use", as_json=options.json))
    refresh = actions.add_parser("refresh", help="refresh feeds now and wait for it")
    refresh.add_argument("feeds", metavar="FEED", nargs="+")
    refresh.set_defaults(command=lambda options: _local("refresh", options.feeds, module="use"))
    notices = actions.add_parser("notices", help="print what the subscriber was told so far")
    notices.add_argument("--json", action="store_true")
    notices.set_defaults(command=lambda options: _local("notices", module="use", as_json=options.json))
    down = actions.add_parser("down", help="stop")
    down.add_argument("--purge", action="store_true", help="forget everything")
    down.set_defaults(command=lambda options: _local("down", purge=options.purge))
    status = actions.add_parser("status", help="what runs, and what waits in the queues")
    status.add_argument("--json", action="store_true")
    status.set_defaults(command=lambda options: _local("status", as_json=options.json))
    logs = actions.add_parser("logs", help="what a function logged")
    logs.add_argument("function")
    logs.add_argument("--follow", action="store_true")
    logs.set_defaults(command=lambda options: _local("logs", options.function, follow=options.follow))


def _local(action: str, *arguments: object, module: str = "stack", **options: object) -> int:
    checkout = Path(__file__).resolve().parents[3]
    if not (checkout / "infra" / "local" / "stack.py").is_file():
        print("eclair: the local stack needs a checkout: install with `pip install -e .` from it", file=sys.stderr)
        return FAILED
    sys.path.insert(0, str(checkout))
    part = import_module(f"infra.local.{module}")
    try:
        return FAILED if getattr(part, action)(*arguments, **options) is False else OK
    except import_module("infra.local.processes").StackError as error:
        print(f"eclair: {error}", file=sys.stderr)
        return FAILED


def _vercmp(options: argparse.Namespace) -> int:
    for line in compare_lines(options.scheme, sys.stdin):
        print(line)
    return OK


def _feeds(options: argparse.Namespace) -> int:
    report = _feed_list(options.api)
    if options.json:
        _print_json(report)
    else:
        rows = [_feed_row(part) for part in report["feeds"]]
        _print_table(("FEED", "PART", "STATE", "ROWS", "AGE", "LAG", "UNREAD", "DETAIL"), rows)
    return OK if all(part["state"] == CoverageState.OK for part in report["feeds"]) else MET


def _feed_list(api: str) -> Any:
    if api:
        from eclair.adapters.api_client import get

        return get(api, "/feeds")
    application = on_aws()
    if not application.settings.advisories_table:
        raise BadInput("say which Eclair: --api URL, or ECLAIR_ADVISORIES_TABLE as its functions have it")
    return orjson.loads(orjson.dumps(application.report.list_feeds()))


def _list_rules(options: argparse.Namespace) -> int:
    from eclair.adapters.api_client import get

    found: dict[str, list[Any]] = {"rules": [], "hours": [], "documents": []}
    page = ""
    while page is not None:
        answered: Any = get(options.api, f"/rules?page={quote(page, safe='')}")
        for name, listed in found.items():
            listed.extend(answered[name])
        page = answered["next"]
    if options.json:
        _print_json({name: listed for name, listed in found.items() if name != "documents"})
    else:
        rows = [_rule_row(kind, said) for kind, listed in found.items() for said in listed]
        _print_table(("KIND", "ID", "UNTIL", "BY", "WHAT", "REASON"), rows)
    return OK


def _rule_row(kind: str, said: Any) -> tuple[str, ...]:
    told = {"id", "until", "by", "reason", "author", "document"}
    what = " ".join(f"{name}={value}" for name, value in said.items() if name not in told)
    by, reason = said.get("by") or said["author"], said.get("reason") or said["document"]
    return kind, said["id"], said.get("until", "-"), by, what, reason


def _put_rules(options: argparse.Namespace) -> int:
    from eclair.adapters import rule_files
    from eclair.adapters.api_client import ask
    from eclair.rule_file import written

    wanted: list[tuple[str, bytes]] = []
    for path in options.files:  # all are read before anything is stored
        if rule_files.is_document(path):
            wanted.append((rule_files.document(path).id, rule_files.content(path)))
        else:
            book = rule_files.rules(path, by=getuser())
            wanted.extend((rule.id, orjson.dumps(written(rule))) for rule in book.rules)
            wanted.extend((hours.id, orjson.dumps(written(hours))) for hours in book.hours)
    for id_, content in wanted:
        ask(options.api, "PUT", f"/rules/{quote(id_, safe='')}", content)
        print(id_)
    return OK


def _delete_rules(options: argparse.Namespace) -> int:
    from eclair.adapters.api_client import ask

    for id_ in options.ids:
        ask(options.api, "DELETE", f"/rules/{quote(id_, safe='')}")
    return OK


def _feed_row(part: Any) -> tuple[str, ...]:
    ages = (_age(part["age_seconds"]), _age(part["lag_seconds"]))
    return part["feed"], part["part"], part["state"], str(part["rows"]), *ages, str(part["unread"]), part["detail"]


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours // 24}d {hours % 24}h" if hours >= 48 else f"{hours}h {minutes:02}m"


def _export(options: argparse.Namespace) -> int:
    from eclair.adapters.mirror import MirrorFolder
    from eclair.export import Export

    wanted = sorted(_wanted(options))
    mirror = MirrorFolder(options.folder, documents(options.feed_mirror))
    failures = Export(mirror=mirror, say=_progress)(feeds.load()[name] for name in wanted)
    for failure in failures:
        print(f"eclair: {failure}", file=sys.stderr)
    return FAILED if failures else OK


def _wanted(options: argparse.Namespace) -> frozenset[str]:
    """Return the names of the feeds that are asked for. Raises `BadInput` for one that we do not have."""
    known = feeds.load()
    wanted = frozenset(options.feeds.split(",")) if options.feeds else frozenset(known)
    if unknown := wanted.difference(known):
        raise BadInput(f"no feed {', '.join(sorted(unknown))}; the feeds are {', '.join(sorted(known))}")
    return wanted


def _scan(options: argparse.Namespace) -> int:
    report = _report(options, _wanted(options), options.feed_mirror, all_states=options.all)
    if options.json:
        _print_json(asdict(report))
    else:
        _print_findings(report)
    if not any(coverage.state in USABLE for coverage in report.coverage):
        return FAILED
    limit = Severity(options.fail_on).rank if options.fail_on else -1
    told = [finding for finding in report.findings if finding.suppressed is None]
    return MET if any(finding.severity.rank <= limit for finding in told) else OK


def _explain(options: argparse.Namespace) -> int:
    with _scanning(options, _wanted(options), options.feed_mirror) as (scan, repository, reference):
        explanation = scan.explain(repository, reference, options.vulnerability)
    if options.json:
        _print_json(asdict(explanation))
    else:
        for package in explanation.packages:
            _print_explained(package)
        for feed in explanation.feeds:
            named = f"feed {feed.feed} ({feed.part}), revision {feed.revision or 'none'}"
            print(f"{named}: {feed.state} {feed.detail}".rstrip())
    return OK


def _print_explained(package: ExplainedPackage) -> None:
    fix = f", fixed in {package.fixed_version}" if package.fixed_version else ""
    found = (
        f"{package.state}{fix} ({package.severity}, {package.severity_source})" if package.state else "not concerned"
    )
    print(f"{package.name} {package.version} ({package.path}): {found}")
    print(f"  compared as {package.compared_kind} {package.compared_name} {package.compared_version}")
    for considered in package.considered:
        said = considered.statement
        print(f"  {considered.bearing}: {said.feed} {said.advisory}: {said.raw_state or said.state}")
        for comparison in considered.comparisons:
            print(f"    {comparison.position}: {comparison.text}")


def _packages(options: argparse.Namespace) -> int:
    report = _report(options, frozenset(), "")
    form = "json" if options.json else options.format
    if form in SBOMS:
        _print_sbom(form, report)
    elif form == "json":
        _print_json({name: value for name, value in asdict(report).items() if name != "findings"})
    else:
        rows = [(some.type, some.name, some.version, some.arch, some.introduced_in[:19]) for some in report.packages]
        _print_table(("TYPE", "NAME", "VERSION", "ARCH", "LAYER"), rows)
    return OK


def _print_sbom(form: str, report: ImageReport) -> None:
    try:
        sbom = import_module("eclair.sbom")
    except ModuleNotFoundError as error:
        raise NotFound(f"no module {error.name}: `pip install eclair[sbom]` brings what writes {form}") from error
    print(getattr(sbom, form)(report, time.time()))


def _report(
    options: argparse.Namespace, wanted: frozenset[str], mirror: str, *, all_states: bool = False
) -> ImageReport:
    with _scanning(options, wanted, mirror) as (scan, repository, reference):
        return scan(repository, reference, all_states=all_states)


@contextmanager
def _scanning(
    options: argparse.Namespace, wanted: frozenset[str], mirror: str
) -> Iterator[tuple[Scan, Repository, str]]:
    """Give what scans the image that is named; feeds that failed are told at the end."""
    source = documents(mirror)
    with _opened(parse(options.reference), options.insecure_registry) as opened:
        scan = Scan(
            registry=opened.registry,
            documents=source if mirror else CachedDocuments(source, cache_folder() / "feeds"),
            platform=_platform(options.platform),
            feeds=wanted,
            rules=_rules(options),
            say=_progress,
        )
        yield scan, opened.repository, opened.reference
    for failure in scan.failures:
        print(f"eclair: {failure}", file=sys.stderr)


def _rules(options: argparse.Namespace) -> RuleBook:
    """Return the rules of the files that a scan names; other commands have none."""
    ignore, vex = getattr(options, "ignore", ()), getattr(options, "vex", ())
    if not (ignore or vex):
        return RuleBook()
    from eclair.adapters.rule_files import rule_book

    return rule_book(ignore, vex, by=getuser())


def _opened(reference: Any, insecure: Sequence[str]) -> Any:
    if isinstance(reference, ArchiveReference):
        return open_archive(reference, readers=ecosystems.readers())
    # Imported here: a scan of an archive needs no HTTP client, which takes a tenth of a second.
    from eclair.adapters.docker_config import DockerConfig
    from eclair.adapters.registry import OciRegistry
    from eclair.adapters.registry_client import RegistryPolicy

    # On the command line it is the operator who names the registry.
    host = reference.repository.split("/", 1)[0]
    policy = RegistryPolicy(allowed=(host,), insecure=tuple(insecure), private=(host,))
    registry = OciRegistry(policy, credentials=DockerConfig(Path.home() / ".docker" / "config.json"))
    return nullcontext(OpenArchive(registry=registry, repository=reference.repository, reference=reference.reference))


def _platform(text: str) -> Platform:
    os_name, _, rest = text.partition("/")
    architecture, _, variant = rest.partition("/")
    return Platform(os=os_name, architecture=architecture, variant=variant)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(text, file=sys.stderr)


def _print_json(value: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(value) + b"\n")


def _print_findings(report: ImageReport) -> None:
    rows = [
        (some.severity, some.vulnerability, some.package, some.version, some.fixed_version or some.state, _notes(some))
        for some in report.findings
    ]
    _print_table(("SEVERITY", "VULNERABILITY", "PACKAGE", "INSTALLED", "FIXED IN", "NOTES"), rows)
    suppressed = f", {report.suppressed} of them suppressed" if report.suppressed else ""
    print(f"\n{len(report.findings)} findings in {len(report.packages)} packages{suppressed}")
    if report.hidden:
        print("hidden: " + ", ".join(f"{count} {reason}" for reason, count in report.hidden.items()) + " (--all)")
    for coverage in report.coverage:
        print(f"coverage of {coverage.namespace or 'the image'}: {coverage.state} {coverage.detail}".rstrip())


def _notes(finding: Finding) -> str:
    """Return what else is to be known before somebody acts on a finding."""
    notes = [mark.value for mark in finding.marks]
    if finding.confidence == "low":
        notes.append("low confidence")
    if finding.fix_channel:
        notes.append(f"fix by {finding.fix_channel}")
    if finding.exploited:
        notes.append("exploited")
    if finding.suppressed:
        notes.append(f"suppressed by {finding.suppressed.rule}: {finding.suppressed.reason}")
    return ", ".join(notes)


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        colour = COLOURS.get(row[0]) if isinstance(row[0], Severity) and sys.stdout.isatty() else None
        print(f"\x1b[{colour}m{line}\x1b[0m" if colour else line)
