"""An independent account of the tests of sets, by the formulas of docs/methods-burden.md, with nothing but the standard library.

usage: burden_reference.py VCF PHENO COVAR SETS TESTS

SETS has one set a line: name, contig:pos:ref:alt of its variants. Writes, for each set and phenotype: name, phenotype, test, p. Quadratic
forms are inverted as Davies (1973, 1980) does, along the imaginary axis; eigenvalues are Jacobi's; regressions are by Gauss's elimination.
"""
import math
import sys

RHO = [0, 0.01, 0.04, 0.09, 0.16, 0.25, 0.5, 0.999]


def solve(matrix, right):
    """Gauss's elimination with pivots; `right` has several columns."""
    n = len(matrix)
    rows = [list(matrix[i]) + list(right[i]) for i in range(n)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(n):
            if r != i and rows[r][i] != 0:
                f = rows[r][i] / rows[i][i]
                rows[r] = [a - f * b for a, b in zip(rows[r], rows[i])]
    return [[rows[i][n + c] / rows[i][i] for c in range(len(right[0]))] for i in range(n)]


def dot(a, b):
    return math.fsum(x * y for x, y in zip(a, b))


def eigenvalues(matrix):
    """By rotations of Jacobi."""
    a = [list(row) for row in matrix]
    n = len(a)
    for _ in range(60):
        off = sum(a[i][j] ** 2 for i in range(n) for j in range(n) if i != j)
        if off <= 1e-26 * sum(a[i][i] ** 2 for i in range(n)):
            break
        for p in range(n):
            for q in range(p + 1, n):
                if a[p][q] == 0:
                    continue
                theta = (a[q][q] - a[p][p]) / (2 * a[p][q])
                t = math.copysign(1, theta) / (abs(theta) + math.hypot(theta, 1))
                c = 1 / math.hypot(t, 1)
                s = t * c
                for k in range(n):
                    a[k][p], a[k][q] = c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]
                for k in range(n):
                    a[p][k], a[q][k] = c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]
    found = [a[i][i] for i in range(n)]
    mean = sum(x for x in found if x >= 0) / len([x for x in found if x >= 0])
    return [x for x in found if x > 1e-5 * mean]


def davies(q, weights):
    """P(Q > q): the series of Davies (1973), whose step is 2 pi over a range that Q does not leave but with 1e-13."""
    if q <= 0:
        return 1.0
    scale = math.fsum(weights)
    w, q = [x / scale for x in weights], q / scale
    step = 2 * math.pi / (q + 1 + 60 * max(w))
    total, k = 0.0, 0
    while True:
        u = (k + 0.5) * step
        ln_size, angle = 0.0, 0.0
        for x in w:
            ln_size -= 0.25 * math.log1p(4 * x * x * u * u)
            angle += 0.5 * math.atan(2 * x * u)
        size = math.exp(ln_size) / (k + 0.5)
        total += math.sin(angle - u * q) * size
        k += 1
        if size < 1e-7:
            return 0.5 + total / math.pi


def quantile(p, weights, near):
    """The q whose tail is p, by the secant's false position on ln p, from a point below it or at it."""
    low, high = near, near
    f_low = f_high = math.log(davies(near, weights) / p)
    while f_high > 0:
        low, f_low, high = high, f_high, 1.3 * high + 0.1 * math.fsum(weights)
        f_high = math.log(davies(high, weights) / p)
    for _ in range(40):
        if f_low - f_high < 1e-8:
            break
        middle = low + (high - low) * f_low / (f_low - f_high)
        f = math.log(davies(middle, weights) / p)
        if abs(f) < 1e-6:
            return middle
        # Illinois: the end that stays counts half
        if f > 0:
            low, f_low, f_high = middle, f, 0.5 * f_high
        else:
            high, f_high, f_low = middle, f, 0.5 * f_low
    return high


def skat(scores, kernel):
    return davies(0.5 * dot(scores, scores), eigenvalues([[0.5 * x for x in row] for row in kernel]))


def skat_o(scores, kernel):
    m = len(scores)
    half = [[0.5 * x for x in row] for row in kernel]
    mixtures, qs, ps = [], [], []
    for rho in RHO:
        # L'KL with L of Cholesky: L L' = (1 - rho) I + rho 11'
        r = [[(1 - rho) * (i == j) + rho for j in range(m)] for i in range(m)]
        lower = [[0.0] * m for _ in range(m)]
        for i in range(m):
            for j in range(i + 1):
                s = r[i][j] - math.fsum(lower[i][k] * lower[j][k] for k in range(j))
                lower[i][j] = math.sqrt(s) if i == j else s / lower[j][j]
        kl = [[math.fsum(half[i][k] * lower[k][j] for k in range(m)) for j in range(m)] for i in range(m)]
        product = [[math.fsum(lower[k][i] * kl[k][j] for k in range(m)) for j in range(m)] for i in range(m)]
        mixtures.append(eigenvalues(product))
        qs.append(0.5 * ((1 - rho) * dot(scores, scores) + rho * sum(scores) ** 2))
        ps.append(davies(qs[-1], mixtures[-1]))
    least = min(ps)
    limits = [quantile(least, mixture, q) for mixture, q in zip(mixtures, qs)]
    sums = [math.fsum(row) for row in half]
    everything = math.fsum(sums)
    taken = [[a * b / everything for b in sums] for a in sums]
    left = [[half[i][j] - taken[i][j] for j in range(m)] for i in range(m)]
    weights = eigenvalues(left)
    mean, own = math.fsum(weights), 2 * dot(weights, weights)
    shared = 4 * math.fsum(taken[i][j] * left[i][j] for i in range(m) for j in range(m))
    shrink = math.sqrt(own / (own + shared))
    tau = [everything * rho + dot(sums, sums) / everything * (1 - rho) for rho in RHO]

    def nearest(t):
        nearest = min((limit - fall * t * t) / (1 - rho) for limit, fall, rho in zip(limits, tau, RHO))
        return (nearest - mean) * shrink + mean

    # the tail of the remainder, tabulated: its values are needed at many points
    n = 600
    top = max(nearest(0), 0)
    tails = [davies(top * i / n, weights) for i in range(n + 1)]

    def tail(q):
        if q <= 0:
            return 1.0
        at = min(int(q / top * n), n - 1)
        at = min(max(at, 1), n - 2)
        x = q / top * n - at
        a, b, c, d = tails[at - 1 : at + 3]
        # the cubic through four points
        return (-x * (x - 1) * (x - 2) * a / 6 + (x + 1) * (x - 1) * (x - 2) * b / 2
                - (x + 1) * x * (x - 2) * c / 2 + (x + 1) * x * (x - 1) * d / 6)

    # steps so small that where another line becomes the nearest costs nothing; behind 9 there is 1e-19
    steps = 100_000
    h = 9 / steps
    density = lambda t: math.exp(-0.5 * t * t) * math.sqrt(2 / math.pi)
    total = math.fsum(tail(nearest((i + 0.5) * h)) * density((i + 0.5) * h) for i in range(steps)) * h
    return min(max(total, least), 8 * least, 1.0)


def fisher(a, b, c, d):
    n, row, column = a + b + c + d, a + b, a + c
    def weight(k):
        return math.comb(column, k) * math.comb(n - column, row - k)
    all_k = range(max(0, row + column - n), min(row, column) + 1)
    observed = weight(a)
    return sum(weight(k) for k in all_k if weight(k) <= observed) / sum(map(weight, all_k))


def table(path):
    lines = [line.rstrip("\n").split("\t") for line in open(path)]
    names = lines[0]
    return {row[0]: dict(zip(names, row)) for row in lines[1:]}, names[1:]


def null_model(y, x, binary):
    """Residuals, variance by sample, scale of the kernel."""
    n, k = len(y), len(x[0])
    if not binary:
        xx = [[dot([r[i] for r in x], [r[j] for r in x]) for j in range(k)] for i in range(k)]
        beta = solve(xx, [[dot([r[i] for r in x], y)] for i in range(k)])
        residual = [v - math.fsum(b[0] * c for b, c in zip(beta, r)) for v, r in zip(y, x)]
        sd = math.sqrt(dot(residual, residual) / (n - k))
        return [v / sd for v in residual], [1.0] * n
    beta = [0.0] * k
    for _ in range(40):
        p = [1 / (1 + math.exp(-dot(beta, r))) for r in x]
        w = [v * (1 - v) for v in p]
        xwx = [[math.fsum(v * r[i] * r[j] for v, r in zip(w, x)) for j in range(k)] for i in range(k)]
        step = solve(xwx, [[math.fsum((v - q) * r[i] for v, q, r in zip(y, p, x))] for i in range(k)])
        beta = [b + s[0] for b, s in zip(beta, step)]
    p = [1 / (1 + math.exp(-dot(beta, r))) for r in x]
    return [v - q for v, q in zip(y, p)], [q * (1 - q) for q in p]


def genotypes(path):
    found, samples = {}, []
    for line in open(path):
        fields = line.rstrip("\n").split("\t")
        if line.startswith("#CHROM"):
            samples = fields[9:]
        if not line.startswith("#") and "," not in fields[4]:
            copies = {".": None, "0": 0, "1": 1}
            calls = [[copies[c] for c in cell.split(":")[0].replace("|", "/").split("/")] for cell in fields[9:]]
            key = ":".join([fields[0], fields[1], fields[3], fields[4]])
            found[key] = dict(zip(samples, (None if None in call else sum(call) for call in calls)))
    return samples, found


def main(vcf, pheno_path, covar_path, sets_path, tests):
    samples, calls = genotypes(vcf)
    pheno, names = table(pheno_path)
    covar, covariates = table(covar_path) if covar_path != "-" else ({}, [])
    for line in open(sets_path):
        name, *variants = line.rstrip("\n").split("\t")
        for phenotype in names:
            rows = [s for s in samples if pheno[s][phenotype] != "NA"]
            y = [float(pheno[s][phenotype]) for s in rows]
            binary = set(y) <= {0.0, 1.0}
            x = [[1.0] + [float(covar[s][c]) for c in covariates] for s in rows]
            residual, variance = null_model(y, x, binary)
            columns, carriers = [], set()
            for variant in variants:
                known = [calls[variant][s] for s in rows if calls[variant][s] is not None]
                mean = sum(known) / len(known)
                if len(set(known)) == 1:
                    continue
                maf = min(mean / 2, 1 - mean / 2)
                weight = 25 * (1 - maf) ** 24
                columns.append([weight * (mean if calls[variant][s] is None else calls[variant][s]) for s in rows])
                carriers |= {at for at, s in enumerate(rows) if calls[variant][s]}
            scores = [dot(column, residual) for column in columns]
            weighted = [[v * c for v, c in zip(variance, column)] for column in columns]
            k, m = len(x[0]), len(columns)
            xs = [[r[i] for r in x] for i in range(k)]
            xvx = [[math.fsum(v * a * b for v, a, b in zip(variance, xs[i], xs[j])) for j in range(k)] for i in range(k)]
            crossed = [[dot(weighted[j], xs[i]) for j in range(m)] for i in range(k)]
            fitted = solve(xvx, crossed)
            kernel = [[dot(weighted[i], columns[j]) - math.fsum(crossed[r][i] * fitted[r][j] for r in range(k))
                       for j in range(m)] for i in range(m)]
            results = {}
            if "skat" in tests.split(","):
                results["skat"] = skat(scores, kernel)
            if "skato" in tests.split(","):
                results["skato"] = skat_o(scores, kernel)
            if "collapsing" in tests.split(",") and binary and k == 1:
                with_cases = sum(1 for at in carriers if y[at] == 1)
                n_cases = int(sum(y))
                results["collapsing"] = fisher(with_cases, len(carriers) - with_cases, n_cases - with_cases,
                                               len(rows) - n_cases - len(carriers) + with_cases)
            for test, p in results.items():
                print(name, phenotype, test, repr(p), sep="\t")


main(*sys.argv[1:])
