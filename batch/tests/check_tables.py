"""The table definitions for Athena and Glue: read by another parser, compared with the files, and used in DuckDB."""

import json
import sys
import tempfile
import unittest
from pathlib import Path

from common import BATCH, VARBATCH, module, run

LOCATION = "s3://BUCKET/cohort.ds"
ODD = """##fileformat=VCFv4.3
##contig=<ID=chr1,length=1000>
##contig=<ID=HLA-A*01:01,length=1000>
##INFO=<ID=DB,Number=0,Type=Flag,Description="x">
##INFO=<ID=XF,Number=A,Type=Float,Description="x">
##FORMAT=<ID=GT,Number=1,Type=String,Description="x">
##FORMAT=<ID=XI,Number=.,Type=Integer,Description="x">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb
chr1\t10\t.\tA\tC\t9\tPASS\tDB;XF=0.5\tGT:XI\t0/1:1,2\t0/0:3
HLA-A*01:01\t20\t.\tG\tT\t9\tq\tXF=0.25\tGT:XI\t1/1:4\t0/1:.
"""


class Tables(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = Path(cls.folder.name)
        run(VARBATCH, "simulate", "-o", cls.root / "made", "--samples", "6", "--length", "6000", "--seed", "2", "--gvcf")
        gvcfs = sorted((cls.root / "made/gvcf").glob("*.g.vcf.gz"))
        run(VARBATCH, "call", *gvcfs, "-f", cls.root / "made/reference.fa", "-o", cls.root / "joint.ds")
        (cls.root / "odd.vcf").write_text(ODD)
        run(VARBATCH, "call", cls.root / "odd.vcf", "-o", cls.root / "odd.ds")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def printed(self, dataset, *flags, code=0):
        module("pyarrow")
        return run(sys.executable, BATCH / "athena/tables.py", self.root / dataset, "--location", LOCATION, *flags, code=code)

    def parsed(self, dataset):
        """Name of each table: columns with types as DuckDB calls them, partition columns, properties, location."""
        sqlglot = module("sqlglot")
        exp = sqlglot.exp
        for statement in filter(None, sqlglot.parse(self.printed(dataset), dialect="athena")):
            self.assertIsInstance(statement, exp.Create)
            kinds = lambda defs: {one.name: one.args["kind"].sql("duckdb") for one in defs}
            partition = statement.find(exp.PartitionedByProperty)
            settings = {one.name: one.args["value"].name for one in statement.find_all(exp.Property) if type(one) is exp.Property}
            columns = kinds(one for one in statement.this.expressions if isinstance(one, exp.ColumnDef))
            keys = kinds(partition.find_all(exp.ColumnDef)) if partition else {}
            location = statement.find(exp.LocationProperty).this.name
            yield statement.this.this.name, columns, keys, settings, location

    def entries(self, dataset, table):
        manifest = json.loads((self.root / dataset / "_manifest.json").read_text())
        return [entry for entry in manifest["files"] if entry["table"] == table]

    def test_tables_are_the_files(self):
        duckdb = module("duckdb")
        seen = set()
        for dataset in ["joint.ds", "odd.ds"]:
            for name, columns, keys, settings, location in self.parsed(dataset):
                seen.add((dataset, name))
                entries = self.entries(dataset, name)
                # the folders that Athena lists are those with the files
                folders = [location]
                if keys:
                    self.assertEqual((keys, settings["projection.contig.type"]), ({"contig": "TEXT"}, "enum"))
                    values = settings["projection.contig.values"].split(",")
                    folders = [settings["storage.location.template"].replace("${contig}", value) for value in values]
                here = [Path(folder.replace(LOCATION, str(self.root / dataset))) for folder in folders]
                files = {str(path.relative_to(self.root / dataset)) for folder in here for path in folder.iterdir()}
                self.assertEqual(files, {entry["path"] for entry in entries}, name)
                # names, order and types are those of the files, less the partition column
                listed = [str(self.root / dataset / path) for path in sorted(files)]
                source = f"read_parquet({listed}, hive_partitioning = false)"
                described = duckdb.sql(f"DESCRIBE SELECT * FROM {source}").fetchall()
                same = {"VARCHAR": "TEXT", "INTEGER": "INT", "INTEGER[]": "INT[]", "VARCHAR[]": "TEXT[]"}
                of_files = [(column, same.get(kind, kind)) for column, kind, *_ in described if column not in keys]
                self.assertEqual(list(columns.items()), of_files, f"{dataset} {name}")
                # the definition holds the data
                quoted = ", ".join(f'"{column}" {kind}' for column, kind in {**columns, **keys}.items())
                database = duckdb.connect()
                database.sql(f"CREATE TABLE made ({quoted})")
                database.sql(f"INSERT INTO made BY NAME SELECT * FROM {source}")
                (rows,), = database.sql("SELECT count(*) FROM made").fetchall()
                self.assertEqual(rows, sum(entry["rows"] for entry in entries), name)
        every = {"variants", "genotypes", "samples", "ref_blocks"}
        self.assertEqual(seen, {("joint.ds", name) for name in every} | {("odd.ds", name) for name in every - {"ref_blocks"}})

    def test_odd_contigs_are_folders(self):
        (_, _, _, settings, _), *_ = self.parsed("odd.ds")
        self.assertEqual(settings["projection.contig.values"], "HLA-A%2A01%3A01,chr1")

    def test_example_is_what_the_script_prints(self):
        self.assertEqual((BATCH / "athena/joint.sql").read_text(), self.printed("joint.ds"))

    def test_glue_takes_the_same(self):
        boto3 = module("boto3")
        mock_aws = module("moto").mock_aws
        with mock_aws():
            glue = boto3.client("glue", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
            glue.create_database(DatabaseInput={"Name": "varbatch"})
            for line in self.printed("joint.ds", "--glue").splitlines():
                # botocore looks at names and types of all members
                glue.create_table(**json.loads(line))
            found = {table["Name"]: table for table in glue.get_tables(DatabaseName="varbatch")["TableList"]}
        lower = lambda kind: {"TEXT": "string", "INT": "int", "BIGINT": "bigint", "DOUBLE": "double",
                              "INT[]": "array<int>", "TEXT[]": "array<string>"}[kind]
        tables = list(self.parsed("joint.ds"))
        self.assertEqual(set(found), {name for name, *_ in tables})
        for name, columns, keys, settings, location in tables:
            storage = found[name]["StorageDescriptor"]
            self.assertEqual({one["Name"]: one["Type"] for one in storage["Columns"]}, {c: lower(k) for c, k in columns.items()})
            self.assertEqual([one["Name"] for one in found[name]["PartitionKeys"]], list(keys))
            self.assertEqual(found[name]["Parameters"], {"EXTERNAL": "TRUE", **settings})
            self.assertEqual(storage["Location"], location)

    def test_what_is_no_dataset(self):
        self.printed("made", code=1)
        module("pyarrow")
        run(sys.executable, BATCH / "athena/tables.py", self.root / "joint.ds", code=2)
