"""Runs the queries of docs/queries.md in every engine that is there, and compares them with `varbatch query`.

usage: queries.py VARBATCH DATASET QUERIES.md

Prints one line a query and engine. `without ENGINE: WHY` says that one is not there. Exits 1 at the first difference.
"""

import math
import os
import re
import shlex
import subprocess
import sys
import json

ENGINES = ("duckdb", "polars", "spark", "athena")


def sections(text):
    """(title, {engine: query}) of the sections that have queries."""
    found = []
    for part in re.split(r"^## ", text, flags=re.M)[1:]:
        title, body = part.split("\n", 1)
        blocks = re.findall(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", body, flags=re.M | re.S)
        queries = {(engine or language): code for language, engine, code in blocks}
        if "sh" in queries:
            found.append((title, queries))
    return found


def plain(value):
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if hasattr(value, "as_integer_ratio") and not isinstance(value, (bool, int)):
        return float(value)  # decimals
    return value


def same(left, right):
    left, right = plain(left), plain(right)
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return left == right or math.isclose(left, right, rel_tol=1e-12)
    return left == right


def with_varbatch(varbatch, dataset, code):
    words = shlex.split(code)
    assert words[:3] == ["varbatch", "query", "cohort.ds"], code
    command = [varbatch, "query", dataset, *words[3:], "--format", "json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def dictionaries(relation):
    names = relation.columns
    return [dict(zip(names, row)) for row in relation.fetchall()]


def with_duckdb(dataset, code):
    import duckdb

    return dictionaries(duckdb.connect().sql(code.replace("cohort.ds", dataset)))


def with_polars(dataset, code):
    scope = {}
    exec(code.replace("cohort.ds", dataset), scope)
    return scope["result"].to_dicts()


def with_spark(dataset, code):
    import pyspark.sql

    if "spark" not in SESSIONS:
        builder = pyspark.sql.SparkSession.builder.master("local[2]").appName("queries")
        settings = {
            "spark.ui.enabled": "false",
            "spark.sql.shuffle.partitions": "2",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.sql.warehouse.dir": os.path.join(os.path.dirname(dataset), "spark-warehouse"),
        }
        for name, value in settings.items():
            builder = builder.config(name, value)
        SESSIONS["spark"] = builder.getOrCreate()
        SESSIONS["spark"].sparkContext.setLogLevel("ERROR")
    scope = {"spark": SESSIONS["spark"]}
    exec(code.replace("cohort.ds", dataset), scope)
    return [row.asDict() for row in scope["result"].collect()]


def with_athena(dataset, code):
    """Parsed as Athena's dialect; run in DuckDB on tables of the same names."""
    import duckdb
    import sqlglot

    assert len(sqlglot.parse(code, dialect="athena")) == 1, code
    connection = duckdb.connect()
    for table in ("variants", "genotypes", "samples"):
        pattern = f"{dataset}/{table}/**/*.parquet"
        connection.sql(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{pattern}', hive_partitioning = false)")
    stats = os.path.join(dataset, "stats")
    for name in sorted(os.listdir(stats)):
        if name.endswith(".parquet"):
            connection.sql(f"CREATE VIEW {name.removesuffix('.parquet')} AS SELECT * FROM '{stats}/{name}'")
    return dictionaries(connection.sql(sqlglot.transpile(code, read="athena", write="duckdb")[0]))


SESSIONS = {}
RUN = {"duckdb": with_duckdb, "polars": with_polars, "spark": with_spark, "athena": with_athena}
NEEDS = {"duckdb": ["duckdb"], "polars": ["polars"], "spark": ["pyspark"], "athena": ["duckdb", "sqlglot"]}


def missing(engine):
    """What an engine needs that is not there."""
    for module in NEEDS[engine]:
        try:
            __import__(module)
        except ImportError:
            return f"no module {module}"
    if engine == "spark" and subprocess.run(["sh", "-c", "command -v java"], capture_output=True).returncode:
        return "no java"
    return None


def compare(where, expected, found):
    if len(expected) != len(found):
        sys.exit(f"{where}: {len(found)} rows, query has {len(expected)}")
    if not expected:
        sys.exit(f"{where}: no rows, so nothing is shown")
    for wanted, row in zip(expected, found):
        if list(wanted) != list(row):
            sys.exit(f"{where}: columns {list(row)}, query has {list(wanted)}")
        for column, value in wanted.items():
            if not same(value, row[column]):
                sys.exit(f"{where}: {column} is {row[column]!r}, query has {value!r}, in {row}")
    print(f"{where}: {len(found)} rows", flush=True)


def main():
    varbatch, dataset, queries = sys.argv[1:]
    absent = {engine: why for engine in ENGINES if (why := missing(engine))}
    for engine, why in absent.items():
        print(f"without {engine}: {why}")
    with open(queries) as file:
        found = sections(file.read())
    for title, blocks in found:
        lost = [engine for engine in ENGINES if engine not in blocks]
        if lost:
            sys.exit(f"{title}: no query for {lost}")
        expected = with_varbatch(varbatch, dataset, blocks["sh"])
        for engine in ENGINES:
            if engine not in absent:
                compare(f"{title} in {engine}", expected, RUN[engine](dataset, blocks[engine]))


if __name__ == "__main__":
    main()
