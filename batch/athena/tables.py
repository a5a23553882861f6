#!/usr/bin/env python3
"""Table definitions of a published dataset, for Amazon Athena and the AWS Glue Data Catalog.

usage: python3 batch/athena/tables.py DATASET [--location s3://BUCKET/cohort.ds] [--database NAME] [--glue]

Columns info_* and fmt_* depend on the inputs, so the definitions are made from the dataset: `_manifest.json` and the schema of one
file of each table (of a name in S3, with the credentials of the environment). Prints a CREATE EXTERNAL TABLE for each table; with
--glue one JSON object a line, each for `aws glue create-table --cli-input-json`. Needs Python 3.9 and pyarrow.

`variants` and `genotypes` are partitioned by contig. A partition column may not be among the columns, so `contig` is left out of
them: Athena reads Parquet by name, and does not look at the column `contig` inside the files. The values of the partition column
are the names of the folders, where bytes other than A-Z a-z 0-9 _ . - are percent-encoded (HLA-A%2A01%3A01); the plain name is in
`contig` of the tables that are not partitioned.
"""

import argparse
import json
import sys

import pyarrow.parquet
import pyarrow.types as is_a
from pyarrow.fs import FileSystem, LocalFileSystem

TABLES = ["variants", "genotypes", "samples", "ref_blocks"]
SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
INPUT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
OUTPUT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"


def hive_type(kind):
    """The name of an Arrow type in DDL of Hive."""
    if is_a.is_dictionary(kind):
        return hive_type(kind.value_type)
    if is_a.is_list(kind):
        return f"array<{hive_type(kind.value_type)}>"
    names = {"int32": "int", "int64": "bigint", "float": "float", "double": "double", "bool": "boolean", "string": "string"}
    if str(kind) not in names:
        raise SystemExit(f"error: no type of Athena is known for {kind}")
    return names[str(kind)]


class Dataset:
    """A published dataset, on a disk or in S3."""

    def __init__(self, name):
        self.files, self.root = FileSystem.from_uri(name) if "://" in name else (LocalFileSystem(), name)
        self.root = self.root.rstrip("/")
        try:
            with self.files.open_input_stream(f"{self.root}/_manifest.json") as stream:
                self.manifest = json.loads(stream.read())
        except FileNotFoundError:
            raise SystemExit(f"error: {name} has no _manifest.json: it is not a published dataset") from None

    def table(self, name):
        """Columns [(name, type)] and values of the partition column (None: not partitioned); None where there is no such table."""
        paths = [entry["path"] for entry in self.manifest["files"] if entry["table"] == name]
        if not paths:
            return None
        with self.files.open_input_file(f"{self.root}/{paths[0]}") as file:
            schema = pyarrow.parquet.read_schema(file)
        folders = {path.split("/")[1] for path in paths if path.count("/") == 2}
        contigs = sorted(folder.removeprefix("contig=") for folder in folders) or None
        columns = [(field.name, hive_type(field.type)) for field in schema if not (contigs and field.name == "contig")]
        return columns, contigs


def properties(location, contigs):
    """Properties of a table: what Athena calls partition projection, so that nobody has to register partitions."""
    given = {"classification": "parquet"}
    if contigs:
        given |= {
            "projection.enabled": "true",
            "projection.contig.type": "enum",
            "projection.contig.values": ",".join(contigs),
            "storage.location.template": location + "contig=${contig}/",
        }
    return given


def ddl(database, name, location, columns, contigs):
    quoted = lambda pair: f"  `{pair[0]}` {pair[1]}"
    text = lambda value: "'" + value.replace("'", "\\'") + "'"
    lines = [f"CREATE EXTERNAL TABLE IF NOT EXISTS `{database}`.`{name}` (", ",\n".join(map(quoted, columns)), ")"]
    if contigs:
        lines.append("PARTITIONED BY (`contig` string)")
    lines += ["STORED AS PARQUET", f"LOCATION {text(location)}", "TBLPROPERTIES ("]
    lines.append(",\n".join(f"  {text(key)} = {text(value)}" for key, value in properties(location, contigs).items()))
    return "\n".join(lines) + "\n);\n"


def glue(database, name, location, columns, contigs):
    named = lambda pairs: [{"Name": column, "Type": kind} for column, kind in pairs]
    storage = {"Columns": named(columns), "Location": location, "InputFormat": INPUT, "OutputFormat": OUTPUT,
               "SerdeInfo": {"SerializationLibrary": SERDE}}
    table = {"Name": name, "TableType": "EXTERNAL_TABLE", "Parameters": {"EXTERNAL": "TRUE", **properties(location, contigs)},
             "PartitionKeys": named([("contig", "string")] if contigs else []), "StorageDescriptor": storage}
    return json.dumps({"DatabaseName": database, "TableInput": table}) + "\n"


def main():
    flags = argparse.ArgumentParser(description="Table definitions of a published dataset for Athena and Glue")
    flags.add_argument("dataset", help="folder or s3:// name")
    flags.add_argument("--location", help="where Athena finds it [default: DATASET]")
    flags.add_argument("--database", default="varbatch", help="[default: %(default)s]")
    flags.add_argument("--glue", action="store_true", help="JSON for aws glue create-table, not DDL")
    given = flags.parse_args()
    location = (given.location or given.dataset).rstrip("/")
    if not location.startswith("s3://"):
        flags.error(f"--location is {location!r}, expected s3://BUCKET/...: Athena reads S3 only")
    dataset = Dataset(given.dataset)
    for name in TABLES:
        found = dataset.table(name)
        if found:
            sys.stdout.write((glue if given.glue else ddl)(given.database, name, f"{location}/{name}/", *found))


if __name__ == "__main__":
    main()
