"""Add a software bill of materials to wheels: python .ci/sbom.py WHEEL...

A CycloneDX file in .dist-info/sboms (PEP 770), since the build backend cannot write it
yet. It is made from the wheel itself: its metadata, and the version of Cython whose
run-time code is compiled into the modules. Dependencies are listed as what they are:
needed, and not in the wheel.
"""

import base64
import email
import hashlib
import json
import re
import sys
import zipfile
from pathlib import Path

REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*([^;]*)(;.*)?$")


def component(name, version=None, **more):
    """An entry for a package of the Python Package Index."""
    purl = f"pkg:pypi/{name.lower()}" + (f"@{version}" if version else "")
    found = {"type": "library", "bom-ref": purl, "name": name, "purl": purl, **more}
    return {**found, "version": version} if version else found


def bill(metadata, modules):
    """The CycloneDX bill of a wheel with these metadata and compiled modules."""
    license = [{"license": {"id": metadata["License-Expression"]}}]
    ours = component(metadata["Name"], metadata["Version"], licenses=license)
    compiled = {
        match.group(1).decode().replace("_", ".")
        for content in modules
        for match in re.finditer(rb"_cython_(\d+_\d+(?:_\w+)?)", content)
    }
    components = [
        component(
            "Cython",
            version,
            scope="required",
            description="run-time code, compiled into the modules of the wheel",
            licenses=[{"license": {"id": "Apache-2.0"}}],
        )
        for version in sorted(compiled)
    ]
    inside = [found["bom-ref"] for found in components]
    for text in metadata.get_all("Requires-Dist"):
        name, versions, marker = REQUIREMENT.match(text).groups()
        if not marker:
            description = f"needed ({versions.strip()}), not in the wheel"
            components.append(
                component(name, scope="required", description=description)
            )
    references = [found["bom-ref"] for found in components]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": ours},
        "components": components,
        "dependencies": [{"ref": ours["bom-ref"], "dependsOn": references}],
        "compositions": [
            {"aggregate": "complete", "assemblies": [ours["bom-ref"], *inside]}
        ],
    }


def add(path):
    """Write the wheel anew, with the bill and its line in RECORD."""
    with zipfile.ZipFile(path) as wheel:
        files = {info: wheel.read(info) for info in wheel.infolist()}
    named = {info.filename: content for info, content in files.items()}
    record = next(info for info in files if info.filename.endswith("/RECORD"))
    folder = record.filename.removesuffix("/RECORD")
    metadata = email.message_from_bytes(named[f"{folder}/METADATA"])
    modules = [named[name] for name in named if name.endswith((".so", ".pyd"))]
    name = f"{folder}/sboms/{metadata['Name']}.cdx.json"
    if name in named:
        sys.exit(f"{path} has a bill of materials already")
    content = json.dumps(bill(metadata, modules), indent=1).encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    line = f"{name},sha256={digest.decode()},{len(content)}\n".encode()
    files[record] = line + files[record]
    written = path.with_suffix(".new")
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(zipfile.ZipInfo(name, record.date_time), content)
        for info, content in files.items():
            wheel.writestr(info, content, zipfile.ZIP_DEFLATED)
    written.replace(path)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        add(Path(argument))
