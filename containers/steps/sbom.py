"""Print the software bill of materials of an image, as CycloneDX JSON: what is in it, read from what is installed.

Usage: ``python sbom.py IMAGE DISTRIBUTION SITE_PACKAGES...``; the image has the version of that distribution. It lists
Debian's packages, Python and its packages, a Java runtime and jars. Not listed are the C libraries that wheels bring
inside. Equal contents give an equal document: it has no date.
"""

import hashlib
import json
import platform
import re
import sys
import uuid
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

Component = dict[str, Any]

DPKG_STATUS = Path("/var/lib/dpkg/status")
OS_RELEASE = Path("/etc/os-release")
LONGEST_LICENSE_NAME = 100
"""Some packages put the whole text of their license where its name belongs."""


def component(kind: str, name: str, version: str, purl: str = "", licenses: list[Component] | None = None) -> Component:
    """Return a component; ``purl`` is its package URL without the version."""
    path, _, qualifiers = purl.partition("?")
    reference = f"{path}@{quote(version)}{'?' + qualifiers if qualifiers else ''}" if purl else f"{name}@{version}"
    found: Component = {"type": kind, "bom-ref": reference, "name": name, "version": version}
    if licenses:
        found["licenses"] = licenses
    if purl:
        found["purl"] = reference
    return found


def debian_packages() -> Iterator[Component]:
    """Yield what dpkg has installed; nothing on another system."""
    if not DPKG_STATUS.exists():
        return
    system = dict(re.findall(r'^(\w+)="?([^"\n]*)', OS_RELEASE.read_text("utf-8"), re.MULTILINE))
    distribution = system["ID"]
    for paragraph in DPKG_STATUS.read_text("utf-8").strip().split("\n\n"):
        fields = HeaderParser().parsestr(paragraph)
        if fields["Status"].endswith(" installed"):
            name = fields["Package"]
            purl = f"pkg:deb/{distribution}/{quote(name)}?arch={fields['Architecture']}"
            yield component("library", name, fields["Version"], f"{purl}&distro={distribution}-{system['VERSION_ID']}")


def python_package(distribution: Distribution) -> Component:
    """Return an installed Python distribution."""
    metadata = distribution.metadata
    name = re.sub(r"[-_.]+", "-", metadata["Name"]).lower()
    licenses: list[Component] = []
    if expression := metadata.get("License-Expression"):
        licenses = [{"expression": expression}]
    elif (text := metadata.get("License", "").strip()) and len(text) <= LONGEST_LICENSE_NAME and "\n" not in text:
        licenses = [{"license": {"name": text}}]
    else:
        classifiers = [item for item in metadata.get_all("Classifier", []) if item.startswith("License :: ")]
        licenses = [{"license": {"name": item.rpartition(" :: ")[2]}} for item in classifiers]
    return component("library", name, distribution.version, f"pkg:pypi/{name}", licenses)


def java_runtime(release: Path) -> Component:
    """Return the Java runtime that a ``release`` file describes."""
    properties = dict(re.findall(r'^(\w+)="([^"]*)"', release.read_text("utf-8"), re.MULTILINE))
    return component("application", "openjdk", properties["JAVA_VERSION"], "pkg:generic/openjdk")


def jar(path: Path) -> Component:
    """Return a jar, ``NAME-VERSION[-PLATFORM].jar``: as Maven knows it, if the jar says so, else by that name."""
    name, version = re.fullmatch(r"(.+?)-(\d.*)", path.stem).groups()  # type: ignore[union-attr]
    with zipfile.ZipFile(path) as archive:
        # A jar that has swallowed others holds theirs, too.
        pom = next((item for item in archive.namelist() if item.endswith(f"/{name}/pom.properties")), "")
        if not pom:
            return component("library", name, version)
        maven = dict(re.findall(r"^(\w+)=(\S+)", archive.read(pom).decode(), re.MULTILINE))
    platform_name = version.removeprefix(maven["version"]).lstrip("-")
    purl = f"pkg:maven/{quote(maven['groupId'])}/{quote(name)}{'?classifier=' + platform_name if platform_name else ''}"
    return component("library", name, maven["version"], purl)


def main(image: str, distribution: str, *site_packages: str) -> None:
    """Print the document."""
    found = sorted(distributions(path=list(site_packages)), key=lambda item: item.name.lower())
    version = next(item.version for item in found if item.name == distribution)
    folders = [Path(folder) for folder in site_packages]
    components = [
        *sorted(debian_packages(), key=lambda item: item["name"]),
        component("application", "python", platform.python_version(), "pkg:generic/python"),
        *map(python_package, found),
        *(java_runtime(path) for folder in folders for path in sorted(folder.glob("*/java-runtime/release"))),
        *(jar(path) for folder in folders for path in sorted(folder.glob("*/jars/**/*.jar"))),
    ]
    digest = hashlib.sha256(json.dumps(components).encode()).digest()
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.UUID(bytes=digest[:16], version=4).urn,
        "version": 1,
        "metadata": {"component": {"type": "container", "bom-ref": image, "name": image, "version": version}},
        "components": components,
    }
    json.dump(document, sys.stdout, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
