"""Reads every table of a dataset with DuckDB, polars and pyarrow and compares them with `varbatch query`.

usage: readers.py VARBATCH DATASET

Prints one line a table and reader; exits 1 at the first difference.
"""

import decimal
import glob
import json
import math
import os
import subprocess
import sys

import duckdb
import polars
import pyarrow.dataset
import pyarrow.parquet

TABLES = {
    "variants": ["variant_id"],
    "genotypes": ["variant_id", "sample_index"],
    "samples": ["sample_index"],
}


def query(varbatch, dataset, sql):
    """Rows of `varbatch query` as dictionaries."""
    command = [varbatch, "query", dataset, sql, "--format", "json"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    text = text.strip()
    if text.startswith("["):
        return json.loads(text)
    return [json.loads(line) for line in text.splitlines()]


def plain(value):
    """A value in one spelling, whatever the library that read it."""
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.15g}")
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "to_list"):
        return [plain(item) for item in value.to_list()]
    return value


def same(left, right):
    """Equal, with integers and floats compared as numbers."""
    left, right = plain(left), plain(right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right))
    if isinstance(left, (int, float)) and isinstance(right, (int, float)) and not isinstance(left, bool):
        return left == right or math.isclose(left, right, rel_tol=1e-14)
    return left == right


def with_duckdb(pattern):
    relation = duckdb.sql(f"SELECT * FROM read_parquet('{pattern}', hive_partitioning = false)")
    names = relation.columns
    return [dict(zip(names, row)) for row in relation.fetchall()]


def plain_contig(rows):
    """A reader left to itself takes the type of `contig` from the folder names: 22 is a number there."""
    return [{**row, "contig": str(row["contig"])} if "contig" in row else row for row in rows]


def with_duckdb_as_it_is(pattern):
    relation = duckdb.sql(f"SELECT * FROM '{pattern}'")
    names = relation.columns
    return plain_contig([dict(zip(names, row)) for row in relation.fetchall()])


def with_polars(pattern):
    return polars.scan_parquet(pattern, hive_partitioning=False).collect().to_dicts()


def with_polars_as_it_is(pattern):
    return plain_contig(polars.read_parquet(pattern).to_dicts())


def with_pyarrow(pattern):
    files = sorted(glob.glob(pattern, recursive=True))
    return pyarrow.dataset.dataset(files, format="parquet").to_table().to_pylist()


def with_pyarrow_folder(pattern):
    folder = pattern.split("*")[0]
    return pyarrow.parquet.read_table(folder, partitioning=None).to_pylist()


READERS = [
    with_duckdb,
    with_duckdb_as_it_is,
    with_polars,
    with_polars_as_it_is,
    with_pyarrow,
    with_pyarrow_folder,
]


def compare(name, reader, expected, found, keys):
    """Exits with a message at the first row or column that differs."""
    found = sorted(found, key=lambda row: tuple(row[key] for key in keys))
    where = f"{name} read {reader.__name__}"
    if len(expected) != len(found):
        sys.exit(f"{where}: {len(found)} rows, query has {len(expected)}")
    if expected and set(expected[0]) != set(found[0]):
        sys.exit(f"{where}: columns differ: {sorted(set(expected[0]) ^ set(found[0]))}")
    for wanted, row in zip(expected, found):
        for column, value in wanted.items():
            if not same(value, row[column]):
                sys.exit(f"{where}: {column} is {row[column]!r}, query has {value!r}, in {row}")
    print(f"{where}: {len(found)} rows")


def main():
    varbatch, dataset = sys.argv[1:]
    for name, keys in TABLES.items():
        pattern = os.path.join(dataset, name, "**", "*.parquet")
        if not glob.glob(pattern, recursive=True):
            continue
        order = ", ".join(keys)
        expected = query(varbatch, dataset, f"SELECT * FROM {name} ORDER BY {order}")
        for reader in READERS:
            compare(name, reader, expected, reader(pattern), keys)


if __name__ == "__main__":
    main()
