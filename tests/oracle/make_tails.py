#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_tails.py - exact tails of distributions for tests/unit/insights_tails.h, by rational and 60-digit arithmetic.

Nothing here is computed as operators/insights_test.c does it: tails are sums of probabilities, term by term, of numbers that
are decimal with 60 digits; Student's t and chi-square have whole degrees of freedom, where their tails are finite sums.
Run it again after changing it:   python3 tests/oracle/make_tails.py > tests/unit/insights_tails.h
"""
import math
from decimal import Decimal as D, getcontext

getcontext().prec = 60
PI = D("3.14159265358979323846264338327950288419716939937510582097494459")


def poisson(count, mean):
    """1 minus the sum below, or the sum above where that is small: 60 digits allow either."""
    mean, term, below = D(mean), (-D(mean)).exp(), D(0)
    for i in range(count):
        below += term
        term = term * mean / (i + 1)
    above, i = D(0), count
    while term > D("1e-400") and (i < mean + 50 or term > above * D("1e-45")):
        above += term
        i += 1
        term = term * mean / i
    return above


def negative_binomial(count, mean, variance):
    mean, variance = D(mean), D(variance)
    size = mean * mean / (variance - mean)
    chance = mean / variance  # of a failure to come: size / (size + mean)
    term, below = (size * chance.ln()).exp(), D(0)
    for i in range(count):
        below += term
        term = term * (size + i) / (i + 1) * (1 - chance)
    above, i = D(0), count
    while i < mean + 50 or term > above * D("1e-45"):
        above += term
        term = term * (size + i) / (i + 1) * (1 - chance)
        i += 1
    return above


def beta_binomial(count, total, share, rho):
    share, rho = D(share), D(rho)
    terms = []
    if rho == 0:
        terms = [D(math.comb(total, i)) * share ** i * (1 - share) ** (total - i) for i in range(count, total + 1)]
        return sum(terms)
    trials = 1 / rho - 1
    a, b = share * trials, (1 - share) * trials
    first = D(1)
    for i in range(total):  # P(0) = B(a, b + total) / B(a, b)
        first *= (b + i) / (a + b + i)
    term = first
    for i in range(total + 1):
        if i >= count:
            terms.append(term)
        term = term * (total - i) / (i + 1) * (a + i) / (b + total - i - 1)
    return sum(terms)


def chi_square(x, freedom):
    """Even freedom: a Poisson sum. Odd: the complementary error function and half-whole powers."""
    half = D(x) / 2
    if freedom % 2 == 0:
        term, total = (-half).exp(), D(0)
        for i in range(freedom // 2):
            total += term
            term = term * half / (i + 1)
        return total
    root = half.sqrt()
    series, term, i = D(0), root, 0  # erf by its series, which 60 digits bear up to x = 60
    while abs(term) > D("1e-58"):
        series += term / (2 * i + 1)
        i += 1
        term = -term * half / i
    total = 1 - 2 / PI.sqrt() * series
    term = (-half).exp() * root / (PI.sqrt() / 2)
    for i in range(1, (freedom - 1) // 2 + 1):
        total += term
        term = term * half / (D(i) + D("0.5"))
    return total


def arctangent(x):
    """By halving the angle until the series is quick."""
    halvings = 0
    while abs(x) > D("0.01"):
        x = x / (1 + (1 + x * x).sqrt())
        halvings += 1
    total, term, i = D(0), x, 0
    while abs(term) > D("1e-58"):
        total += term / (2 * i + 1)
        term = -term * x * x
        i += 1
    return total * 2 ** halvings


def student(t, freedom):
    """Abramowitz and Stegun 26.7.3 and 26.7.4."""
    t = D(t)
    angle = arctangent(t / D(freedom).sqrt())
    cosine2 = 1 / (1 + t * t / freedom)
    sine = (1 - cosine2).sqrt()
    if freedom % 2 == 1:
        total, term = D(0), cosine2.sqrt()
        for i in range((freedom - 1) // 2):
            total += term
            term = term * cosine2 * (2 * i + 2) / (2 * i + 3)
        return 1 - 2 / PI * (angle + sine * total)
    total, term = D(0), D(1)
    for i in range(freedom // 2):
        total += term
        term = term * cosine2 * (2 * i + 1) / (2 * i + 2)
    return 1 - sine * total


def table(name, function, rows):
    print(f"\n/* {name}: arguments, tail */")
    print(f"static const double {name}_tails[][{len(rows[0]) + 1}] = {{")
    for row in rows:
        tail = function(*row)
        print("    { " + ", ".join(map(str, row)) + f", {tail if tail > D('1e-300') else D(0):.17e} }},")
    print("};")


def main():
    print("/* SPDX-License-Identifier: Apache-2.0")
    print(" * insights_tails.h - exact tails of distributions; made by tests/oracle/make_tails.py, do not edit. */")
    print("#ifndef DV_TESTS_INSIGHTS_TAILS_H\n#define DV_TESTS_INSIGHTS_TAILS_H\n\n/* clang-format off */")
    means = ["0.5", "3", "17.25", "100", "2500"]
    table("poisson", poisson, [(max(1, int(float(m) * f) + a), m) for m in means
                               for f, a in ((0.6, 0), (1, 1), (1.2, 3), (2, 8))])
    table("negative_binomial", negative_binomial,
          [(max(1, int(float(m) * f) + a), m, str(float(m) * v)) for m in means for v in (1.25, 3)
           for f, a in ((0.7, 0), (1.1, 1), (2, 8))])
    table("beta_binomial", beta_binomial,
          [(max(1, int(n * float(s) * f)), n, s, r) for n in (20, 300, 4000) for s in ("0.02", "0.3")
           for r in ("0", "0.001", "0.05") for f in (0.7, 1.3, 2)])
    table("chi_square", chi_square, [(x, k) for k in (1, 2, 5, 12, 29) for x in ("0.5", "4.25", "20", "55")])
    table("student", student, [(t, k) for k in (1, 2, 5, 8, 23) for t in ("0.5", "2.25", "6", "11")])
    print("\n#endif")


main()
