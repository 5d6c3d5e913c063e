"""The tables of athena.tf, and queries of them, on DuckDB.

sqlglot parses a query with the grammar of Athena and translates it to the dialect of DuckDB. ``_translate`` has two
more rules. The reader of the objects is stricter than the SerDe of Athena: it refuses a number that a version of the
SerDe may not read.
"""

from __future__ import annotations

import gzip
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
import sqlglot
from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

    Bucket = Mapping[str, bytes]
    Row = dict[str, Any]

DIALECT: Final = "athena"
Type: Final = exp.DataType.Type


@dataclass(frozen=True)
class Table:
    """A table with partition projection.

    Attributes
    ----------
    columns
        Name → type in Glue, without the partition columns.
    location
        Matches the URL of each object in a partition that Athena computes.
    """

    name: str
    columns: dict[str, str]
    partitions: dict[str, str]
    location: re.Pattern[str]

    @classmethod
    def of(cls, planned: Mapping[str, Any]) -> Table:
        """Return the table of a planned ``aws_glue_catalog_table``."""
        (storage,) = planned["storage_descriptor"]
        (serde,) = storage["ser_de_info"]
        assert serde["serialization_library"] == "org.apache.hive.hcatalog.data.JsonSerDe"
        assert not serde["parameters"]
        partitions = {key["name"]: key["type"] for key in planned["partition_keys"]}
        return cls(
            name=planned["name"],
            columns={column["name"]: column["type"] for column in storage["columns"]},
            partitions=partitions,
            location=_location(planned["parameters"], list(partitions)),
        )

    def rows(self, bucket: Bucket, bucket_name: str) -> Iterator[Row]:
        """Yield the rows in a bucket, which maps the keys of objects to their bytes.

        Raises ValueError for a line that the SerDe does not read.
        """
        for key, content in bucket.items():
            is_hidden = key.rpartition("/")[2].startswith(("_", "."))
            if (partition := self.location.match(f"s3://{bucket_name}/{key}")) and not is_hidden:
                values = {name: int(value) for name, value in partition.groupdict().items()}
                text = gzip.decompress(content) if key.endswith(".gz") else content
                for line in text.decode().splitlines():
                    yield self._row(json.loads(line, object_pairs_hook=_unique)) | values

    def _row(self, record: Row) -> Row:
        """Return the columns of a row. A key without a column is an error, although the SerDe passes over it."""
        if unknown := record.keys() - self.columns.keys():
            raise ValueError(f"no column for {', '.join(sorted(unknown))}")
        types = {name: exp.DataType.build(type_, dialect="hive") for name, type_ in self.columns.items()}
        return {name: _read(type_, record.get(name)) for name, type_ in types.items()}


def _location(parameters: Mapping[str, str], partitions: Iterable[str]) -> re.Pattern[str]:
    """Return the pattern of the objects in the partitions that Athena computes from the properties of a table."""
    assert parameters["projection.enabled"] == "true"
    pattern = re.escape(parameters["storage.location.template"])
    for name in partitions:
        assert parameters[f"projection.{name}.type"] == "integer"
        first, last = map(int, parameters[f"projection.{name}.range"].split(","))
        digits = int(parameters.get(f"projection.{name}.digits", 1))
        values = "|".join(f"{value:0{digits}}" for value in range(first, last + 1))
        pattern = pattern.replace(re.escape(f"${{{name}}}"), f"(?P<{name}>{values})")
    return re.compile(pattern)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. Raises ValueError for a repeated key, which the SerDe does not allow."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"duplicate key in {[key for key, _ in pairs]}")
    return found


def _read(type_: exp.DataType, value: Any) -> Any:
    """Return a JSON value as the SerDe reads it in a column of this type. Raises ValueError."""
    kind, parts = type_.this, type_.expressions
    read: Any = None
    match kind, value:
        case _, None:
            pass
        case (Type.TEXT, str()) | (Type.BOOLEAN, bool()) | (Type.DOUBLE, float()):
            read = value
        case Type.INT, int() if not isinstance(value, bool) and abs(value) < 2**31:
            read = value
        case Type.ARRAY, list():
            read = [_read(parts[0], item) for item in value]
        case Type.MAP, dict():
            read = {key: _read(parts[1], item) for key, item in value.items()}
        case Type.STRUCT, dict() if value.keys() == {field.name for field in parts}:
            read = {field.name: _read(field.args["kind"], value.get(field.name)) for field in parts}
        case _:
            raise ValueError(f"{value!r} in a column of the type {type_.sql('hive')}")
    return read


def parse(sql: str) -> exp.Expression:
    """Parse a query as Athena. Raises sqlglot.ParseError."""
    return sqlglot.parse_one(sql, read=DIALECT)


def _translate(node: exp.Expression, today: exp.Expression) -> exp.Expression:
    """The rules that sqlglot does not have."""
    match node:
        case exp.CurrentDate():  # the expected rows are for a given day
            return today
        case exp.ArgMax():  # max_by of Trino can return null; arg_max of DuckDB passes over rows with null
            return exp.func("arg_max_null", node.this, node.expression)
    return node


class Athena:
    """The tables of a database with the objects of a bucket. ``today`` is the ``current_date``."""

    def __init__(self, database: str, tables: Iterable[Table], bucket: Bucket, bucket_name: str, today: date) -> None:
        self._today = exp.cast(exp.Literal.string(today.isoformat()), "date")
        self._connection = duckdb.connect(":memory:")
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute(f"CREATE SCHEMA {database}")
        for table in tables:
            self._load(f"{database}.{table.name}", table, table.rows(bucket, bucket_name))

    def query(self, sql: str) -> list[Row]:
        """Run a query. Return its rows."""
        statement = parse(sql).transform(_translate, self._today)
        result = self._connection.execute(statement.sql("duckdb"))
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def _load(self, name: str, table: Table, rows: Iterable[Row]) -> None:
        types = {
            column: exp.DataType.build(type_, dialect="hive").sql("duckdb")
            for column, type_ in (table.columns | table.partitions).items()
        }
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rows.json"
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
            relation = self._connection.read_json(str(file), columns=types, format="newline_delimited")
            relation.create(name)
