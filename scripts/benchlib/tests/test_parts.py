import os
import tempfile
import types
import unittest

from benchlib import agree, cohorts, compare, figures, plots, programs, tables


def options(**rest):
    return types.SimpleNamespace(**{"samples": None, "sites": None, "length": None, "seed": 1, "input": None, **rest})


def found_in(folder, work):
    """Sources as they would be after simulating; gVCFs have to be there to be listed."""
    form = cohorts.WORKS[work].form
    if form == "gvcf":
        os.makedirs(os.path.join(folder, "gvcf"), exist_ok=True)
        return {"gvcf": os.path.join(folder, "gvcf")}
    return {"plain": "x.vcf"} if form == "plain" else {"vcf": "x.vcf.gz", "bcf": "x.bcf"}


class Works(unittest.TestCase):
    def test_every_bar_names_programs_that_its_work_runs(self):
        with tempfile.TemporaryDirectory() as folder:
            for bar in figures.BARS:
                made = programs.of_works("varbatch", [bar.work], found_in(folder, bar.work), folder, 2)
                names = {program.name for program in made}
                self.assertLessEqual({bar.ours, bar.theirs} - {""}, names, bar)

    def test_every_plot_row_is_a_program(self):
        with tempfile.TemporaryDirectory() as folder:
            for work in cohorts.WORKS:
                made = programs.of_works("varbatch", [work], found_in(folder, work), folder, 2)
                names = {program.name.split(", ")[0] for program in made}
                self.assertIn(plots.shown_programs(work)[0], names)
                self.assertIn(plots.shown_programs(work)[1], names)

    def test_works_of_one_cohort_share_programs(self):
        made = programs.of_works("varbatch", ["A", "A-bcf"], found_in("", "A"), "", 2)
        names = [program.name for program in made]
        self.assertEqual(len(names), len(set(names)))
        written = [path for program in made for path in program.writes]
        self.assertEqual(len(written), len(set(written)))

    def test_size(self):
        self.assertTrue(cohorts.is_full_size("A-bcf", cohorts.of("A-bcf", options())))
        self.assertFalse(cohorts.is_full_size("A", cohorts.of("A", options(sites=10))))
        self.assertEqual(cohorts.of("C", options(sites=10)).name, "joint-100x2000000")
        self.assertEqual(cohorts.of("A", options(input="x.vcf.gz")).name, "input")
        self.assertFalse(cohorts.is_full_size("A", cohorts.of("A", options(input="x.vcf.gz"))))


class Agreement(unittest.TestCase):
    def test_plink2_counts_of_two_alleles(self):
        # 5 0/0, 3 0/1, 2 0/2, 1 1/1, 4 1/2, 0 2/2, 6 missing
        one, two = agree.alleles_of_gcount(["7", "5", "3,2", "1,4,0", "6"])
        self.assertEqual(one, agree.Counts(7, 1, 9, 30, 7, 7, 1, 6))
        self.assertEqual(two, agree.Counts(7, 2, 6, 30, 9, 6, 0, 6))

    def test_counts_that_differ(self):
        ours = [agree.Counts(7, 1, 9, 30, 7, 7, 1, 6)]
        self.assertEqual(agree.same_counts(ours, [ours[0]._replace(n_hom_ref=None)], "x"), 1)
        with self.assertRaisesRegex(agree.Difference, "POS 7, allele 1: n_het 7 and 8"):
            agree.same_counts(ours, [ours[0]._replace(n_het=8)], "x")
        with self.assertRaisesRegex(agree.Difference, "more alleles"):
            agree.same_counts(ours, [], "x")

    def test_where_lines_differ(self):
        said = agree.where_different("chr1\t5\tA\tC\t0/0\t0/1", "chr1\t5\tA\tC\t0/0\t1/1")
        self.assertEqual(said, "chr1 5 A C: sample 2: 0/1 and 1/1")
        self.assertEqual(agree.where_different(None, "chr1\t5\tA\tC\t0/0"), "only the input has chr1 5 A C")

    def test_trimmed(self):
        self.assertEqual(agree.trimmed(10, "ACGT", "AGGT"), (11, "C", "G"))
        self.assertEqual(agree.trimmed(10, "ACAC", "AC"), (10, "ACA", "A"))

    def test_a_command_that_fails_ends_the_benchmark(self):
        with self.assertRaises(SystemExit):
            agree.run(["sh", "-c", "echo no >&2; exit 3"])


class Comparison(unittest.TestCase):
    def test_judged(self):
        of = lambda cpu: {"cpu_s": cpu, "wall_s": 1, "peak_mib": 10, "output": 5}
        runs = {"base": [of(1.0), of(1.01), of(0.99)], "head": [of(1.2), of(1.21), of(1.19)]}
        rows = compare.judged(runs, [("1 thread", "base", "head")])
        self.assertEqual([(row[1], row[-1]) for row in rows][:2], [("cpu_s", True), ("wall_s", False)])
        self.assertEqual(len(rows), len(compare.FIGURES))


    def test_only_what_is_found_twice_counts(self):
        worse, fine = ("1 thread", "cpu_s", 1, 2, 2, True), ("1 thread", "cpu_s", 1, 1, 1, False)
        wall = ("1 thread", "wall_s", 1, 2, 2, True)
        for answers, expected, measured in [
            ([[fine]], set(), 1),
            ([[worse], [fine]], set(), 2),
            ([[worse], [worse]], {("1 thread", "cpu_s")}, 2),
            ([[worse], [wall]], set(), 2),
        ]:
            left = iter(answers)
            tries, slower = compare.confirmed(lambda: next(left))
            self.assertEqual((slower, len(tries)), (expected, measured))


class Output(unittest.TestCase):
    def test_table(self):
        self.assertEqual(tables.markdown(["a", "b", "<c"], [["1", "2", "3"]]), "| a | b | c |\n|---|---:|---|\n| 1 | 2 | 3 |")

    def test_labels_do_not_overlap(self):
        placed = plots.apart([10, 11, 12, 80], 19)
        self.assertEqual(placed, [10, 29, 48, 80])

    def test_plots_are_xml(self):
        from xml.dom import minidom

        point = {"threads": 1, "speed_up": 1.0, "copy_speed_up": 1.0}
        minidom.parseString(plots.scaling([("work A", [point, {**point, "threads": 2, "speed_up": 0.7}])], "a < b"))
        runs = [{"cpu_s": 1.0}]
        minidom.parseString(plots.bars([("A & B", [plots.Row("varbatch call", runs, runs)])], "caption"))


if __name__ == "__main__":
    unittest.main()
