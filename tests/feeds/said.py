"""What feeds say, written for a human to read, and documents that no feed may choke on."""

from collections.abc import Iterable

from eclair.model import AdvisoryStatements, Range, Said, Statement

BILLION_LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>
<%b>&c;</%b>"""

EXTERNAL_ENTITY = b"""<?xml version="1.0"?>
<!DOCTYPE x [<!ENTITY passwords SYSTEM "file:///etc/passwd">]>
<%b>&passwords;</%b>"""

NO_XML = {
    "empty": b"",
    "html": b"<!DOCTYPE html><html><body><br>503 Service Unavailable</body></html>",
    "xhtml": b"<html><body>503 Service Unavailable</body></html>",
    "json": b'{"error": 503}',
    "binary": bytes(range(256)),
    "unknown encoding": b'<?xml version="1.0" encoding="utf-o"?><updates/>',
    "encoding of several bytes": b'<?xml version="1.0" encoding="gb2312"?><updates/>',
    "wrong encoding": '<?xml version="1.0" encoding="utf-8"?><updates>é</updates>'.encode("latin-1"),
}


def xml_attacks(root: str) -> dict[str, bytes]:
    """Return documents with this root that try to use entities."""
    name = root.encode()
    return {"billion laughs": BILLION_LAUGHS % (name, name), "external entity": EXTERNAL_ENTITY % (name, name)}


def statements(said: Iterable[Said]) -> list[Statement]:
    return [statement for unit in said if isinstance(unit, AdvisoryStatements) for statement in unit.statements]


def outline(said: Iterable[Said]) -> list[str]:
    """Return one line per statement, sorted: `ol:5 binary bind ELSA-1 CVE-1+CVE-2: fixed <30:9.3 medium [stream]`."""
    return sorted(map(line, statements(said)))


def line(statement: Statement) -> str:
    package = statement.package
    return " ".join(
        filter(
            None,
            (
                f"{package.namespace} {package.kind} {package.name} {statement.id}",
                "+".join(vulnerability for vulnerability in statement.vulnerabilities if vulnerability != statement.id),
                *(f"({alias})" for alias in statement.aliases),
                f": {statement.state}",
                ",".join(map(_range, statement.ranges)),
                statement.severity,
                f"[{statement.stream}]" if statement.stream else "",
                f"via {statement.fix_channel}" if statement.fix_channel else "",
            ),
        )
    )


def _range(versions: Range) -> str:
    bounds = ((">=", versions.introduced), ("<", versions.fixed), ("<=", versions.last_affected))
    return "".join(sign + bound for sign, bound in bounds if bound) or "*"
