#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""opendp_noise.py NOISES - the noise that the program NOISES prints is OpenDP's: chi-squared and Kolmogorov-Smirnov on two samples.

Each of the 20 tests gives a false alarm once in 10⁸ times, so a run does in less than one of 10⁶. The control, our noise at a
scale 5 % too large, must be found by both tests at every scale. Neither side takes a seed: the bits are the system's.

shows: PRV-1 X4
"""
import bisect
import concurrent.futures
import fractions
import itertools
import math
import subprocess
import sys

import opendp.prelude as dp

ALARM = 1e-8
CELLS = 16
SCALES = ["1", "2.5", "20", "1000", "123456"]
THEIRS = {"laplace": (dp.m.make_laplace, dp.l1_distance, 600_000), "gaussian": (dp.m.make_gaussian, dp.l2_distance, 400_000)}
MORE = 3  # so many times as many of ours, which are cheap


def ours(program, kind, scale, count):
    """`scale` is a Fraction: of the Gaussian, the standard deviation."""
    ratio = scale if kind == "laplace" else scale * scale
    done = subprocess.run([program, kind, str(ratio.numerator), str(ratio.denominator), str(count)], stdout=subprocess.PIPE, timeout=600, check=True)
    return sorted(map(int, done.stdout.split()))


def theirs(kind, scale):
    make, metric, count = THEIRS[kind]
    measure = make(dp.vector_domain(dp.atom_domain(T="i64")), metric(T="i64"), float(scale))
    return sorted(measure([0] * count))


def counts(sample, edges):
    """How many are up to the first edge, from there up to the second, …, and above the last."""
    below = [0, *(bisect.bisect_right(sample, edge) for edge in edges), len(sample)]
    return [right - left for left, right in itertools.pairwise(below)]


def chi_squared(a, b):
    """The chance that two samples of one distribution differ so much, over cells that the pooled sample fills alike. An even
    number of degrees of freedom has a tail in closed form."""
    both = sorted(a + b)
    edges = sorted({both[len(both) * i // CELLS] for i in range(1, CELLS)} - {both[-1]})
    edges = edges if len(edges) % 2 == 0 else edges[:-1]
    more = math.sqrt(len(a) / len(b))
    half = sum((in_a / more - in_b * more) ** 2 / (in_a + in_b) for in_a, in_b in zip(counts(a, edges), counts(b, edges))) / 2
    return math.exp(-half) * math.fsum(half ** i / math.factorial(i) for i in range(len(edges) // 2))


def kolmogorov(a, b):
    """A bound of the same chance for the greatest distance of both distributions; ties make it smaller still."""
    distance = max(abs(bisect.bisect_right(a, x) / len(a) - bisect.bisect_right(b, x) / len(b)) for x in {*a, *b})
    return min(1.0, 2 * math.exp(-2 * distance ** 2 * len(a) * len(b) / (len(a) + len(b))))


def compare(program, kind, text):
    """What went wrong at a scale, after a line about it."""
    scale = fractions.Fraction(text)
    reference = theirs(kind, scale)
    right, wide = ([test(ours(program, kind, one, MORE * len(reference)), reference) for test in (chi_squared, kolmogorov)]
                   for one in (scale, scale * 21 / 20))
    print(f"{kind} of scale {text}: chi-squared p = {right[0]:.2g}, Kolmogorov-Smirnov p = {right[1]:.2g}; 5 % too wide: {wide[0]:.2g}, {wide[1]:.2g}", flush=True)
    return [f"{kind} of scale {text} is not OpenDP's"] * (min(right) < ALARM) + [f"{kind} of scale {text}: 5 % too wide is not found"] * (max(wide) >= ALARM)


def main():
    dp.enable_features("contrib")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = [line for lines in pool.map(lambda case: compare(sys.argv[1], *case), itertools.product(THEIRS, SCALES)) for line in lines]
    print(*wrong, f"{2 * len(SCALES) * len(THEIRS) - len(wrong)} passed, {len(wrong)} failed", sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
