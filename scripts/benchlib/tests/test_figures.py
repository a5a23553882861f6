import unittest

from benchlib import figures


def runs(cpu, **rest):
    return [{"cpu_s": value, **rest} for value in cpu]


class Ratios(unittest.TestCase):
    def test_turn_by_turn(self):
        # The machine is half as fast in the second turn: the ratio does not see it.
        found = figures.ratio(runs([1.0, 2.0, 1.1]), runs([2.0, 4.0, 2.2]), "cpu_s")
        self.assertEqual((round(found.median, 6), round(found.low, 6), round(found.high, 6)), (0.5, 0.5, 0.5))

    def test_range(self):
        found = figures.ratio(runs([1.0, 3.0, 2.0]), runs([1.0, 1.0, 1.0]), "cpu_s")
        self.assertEqual(str(found), "2.00 (1.00-3.00)")

    def test_too_short_to_measure(self):
        self.assertGreater(figures.ratio(runs([0.01]), runs([0.0]), "cpu_s").median, 1)


class Regressions(unittest.TestCase):
    base = [1.00, 1.02, 0.99, 1.01, 1.00, 0.98, 1.01]

    def test_the_same(self):
        self.assertFalse(figures.is_regression(self.base, self.base))

    def test_clear(self):
        self.assertTrue(figures.is_regression(self.base, [value * 1.10 for value in self.base]))

    def test_below_the_limit(self):
        self.assertFalse(figures.is_regression(self.base, [value * 1.04 for value in self.base]))

    def test_faster(self):
        self.assertFalse(figures.is_regression(self.base, [value * 0.5 for value in self.base]))

    def test_inside_of_the_spread(self):
        noisy = [1.0, 1.4, 0.8, 1.3, 0.9, 1.5, 0.7]
        self.assertFalse(figures.is_regression(noisy, [value * 1.10 for value in noisy[1:] + noisy[:1]]))

    def test_one_slow_run_hides_nothing(self):
        base = [*self.base[:-1], 5.0]
        self.assertTrue(figures.is_regression(base, [value * 1.10 for value in self.base]))

    def test_one_slow_run_is_no_regression(self):
        self.assertFalse(figures.is_regression(self.base, [*self.base[:-1], 5.0]))

    def test_constant_values(self):
        self.assertTrue(figures.is_regression([100] * 3, [106] * 3))
        self.assertFalse(figures.is_regression([100] * 3, [105] * 3))
        self.assertFalse(figures.is_regression([0] * 3, [0] * 3))


class Bars(unittest.TestCase):
    def setUp(self):
        self.runs = {
            figures.CALL: runs([0.5, 0.5, 0.5], wall_s=2.0, peak_mib=100),
            figures.CALL_2: runs([0.5, 0.5, 0.5], wall_s=1.0, peak_mib=286.2),
            figures.PLINK2: runs([1.0, 1.0, 1.0], wall_s=1.0, peak_mib=1),
            figures.INFLATE: runs([0.05, 0.05, 0.05], wall_s=1.0, peak_mib=1),
            figures.BCFTOOLS: runs([1.0, 1.0, 1.0], wall_s=1.0, peak_mib=1),
        }
        self.outputs = {figures.CALL: 70, figures.BCFTOOLS: 100}

    def judged(self, *works):
        return {(bar.work, bar.says): (value, met) for bar, value, met in figures.against_bars(works, self.runs, self.outputs)}

    def test_of_one_work(self):
        found = self.judged("A")
        self.assertEqual(found["A", "CPU / plink2 --make-pgen"], (0.5, True))
        self.assertEqual(found["A", "CPU / bgzip -dc"], (10.0, False))
        self.assertEqual(found["A", "output bytes / bcftools view -Ob"], (0.7, True))
        self.assertEqual(found["A", "wall of 1 thread / 2 threads"], (2.0, True))
        self.assertEqual({work for work, _ in found}, {"A"})

    def test_memory_is_in_millions_of_bytes(self):
        # 286.2 MiB are 300.1 MB.
        value, met = self.judged("A")["A", "peak MB, 2 threads"]
        self.assertEqual((round(value, 1), met), (300.1, False))

    def test_wall_has_to_be_reached(self):
        for run in self.runs[figures.CALL_2]:
            run["wall_s"] = 1.1
        self.assertFalse(self.judged("A")["A", "wall of 1 thread / 2 threads"][1])

    def test_without_a_program_there_is_no_bar(self):
        del self.runs[figures.PLINK2], self.runs[figures.CALL_2]
        self.assertEqual(set(self.judged("A")), {("A", "CPU / bgzip -dc"), ("A", "output bytes / bcftools view -Ob")})

    def test_limits_belong_to_the_bar(self):
        bar = figures.Bar("A", "", "cpu_s", "", "", 0.8)
        self.assertTrue(figures.is_met(bar, 0.8))
        self.assertFalse(figures.is_met(bar, 0.81))


if __name__ == "__main__":
    unittest.main()
