#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scenarios.py - invented hospitals and shops, record by record: weeks of hours with seasons, and what is planted in them.

Of a hundred, 40 have a condition or a category that rises, two and a half to four times for 6 to 24 hours; 20 a shift: of the mix
(hospitals) or of what is spent in one category (shops); 20 are decoys with strong seasons and an all-over growth, some of them of the
week; 20 are quiet. Rates are small: eight groups of 10 to 60 records an hour (30 to 60 where something is planted), which vary more than Poisson's, after
seven days of learning, or four weeks.
"""
import json
import math
import random
import statistics

from redis_server import pack

HOUR_MS = 3_600_000
MONDAY_MS = 1_704_067_200_000  # 2024-01-01, 0:00 UTC
CONDITIONS = ["Asthma", "Hypertension", "Influenza", "Migraine", "Diabetes", "Bronchitis", "Back pain", "Eczema"]
CATEGORIES = ["Groceries", "Travel", "Electronics", "Restaurants", "Fuel", "Clothing", "Jewelry", "Pharmacy"]
LEARN_DAYS, ASKED_DAYS, WEEKS, WEEK = 7, 2, 5, 168
RISE, SHIFT, DECOY, QUIET = "rise", "shift", "decoy", "quiet"


def kind_of(index):
    percent = index % 100
    return RISE if percent < 40 else SHIFT if percent < 60 else DECOY if percent < 80 else QUIET


class Scenario:
    """What happens, hour by hour; `counts` and `spent` are the ledger, filled while records are made."""

    def __init__(self, index, is_shop, seed=20240229):
        self.random = random.Random(seed * 1_000_003 + index * 2 + is_shop)
        draw = self.random.uniform
        self.index, self.is_shop, self.kind = index, is_shop, kind_of(index)
        self.is_weekly = self.kind in (DECOY, RISE) and index % 10 == 9
        self.names = CATEGORIES if is_shop else CONDITIONS
        self.hours = WEEKS * WEEK if self.is_weekly else (LEARN_DAYS + ASKED_DAYS) * 24
        self.lasts = self.random.randrange(6, 25)
        self.is_over = self.index % 2 == 0  # before anybody asks
        self.begins = self.hours - self.lasts - (self.random.randrange(3, 9) if self.is_over else 0)
        self.group = self.random.choice(self.names)
        self.factor = draw(2.5, 4)
        self.swing = draw(0.6, 0.9) if self.kind == DECOY else draw(0, 0.5)
        self.weekend = draw(0.2, 0.5) if self.is_weekly and self.kind == DECOY else draw(0.7, 1) if self.is_weekly else 1
        self.growth = draw(1, 1.02) if self.kind == DECOY else 1
        self.rates = {name: math.exp(draw(math.log(10), math.log(60))) for name in self.names}
        self.rates[self.group] = draw(30, 60)
        self.wider = {name: draw(1, 1.5) for name in self.names}
        self.phase = {name: draw(-3, 3) for name in self.names}
        self.spend = {name: math.exp(draw(math.log(10), math.log(400))) for name in self.names}
        self.counts, self.spent = [], []

    @property
    def records(self):
        return sum(sum(counts.values()) for counts in self.counts)

    @property
    def is_planted(self):
        return self.kind in (RISE, SHIFT)

    def is_on(self, hour):
        return self.is_planted and self.begins <= hour < self.begins + self.lasts

    def gains(self, name):
        """Whether a shift of the mix makes this group larger."""
        return (self.names.index(name) - self.names.index(self.group)) % 2 == 0

    def rate(self, name, hour):
        day = 1 + self.swing * math.sin(2 * math.pi * (hour % 24 + self.phase[name]) / 24)
        rate = self.rates[name] * day * (self.weekend if hour // 24 % 7 >= 5 else 1) * self.growth ** (hour / 24)
        if self.is_on(hour) and self.kind == RISE and name == self.group:
            rate *= self.factor
        if self.is_on(hour) and self.kind == SHIFT and not self.is_shop:
            rate *= self.factor if self.gains(name) else 1 / self.factor
        return max(rate, 0.5)

    def count(self, name, hour):
        """Poisson of a rate that itself varies."""
        wider = self.wider[name] - 1
        rate = self.rate(name, hour)
        rate = self.random.gammavariate(rate / wider, wider) if wider > 0.01 else rate
        found, product = -1, 1.0
        floor = math.exp(-min(rate, 500))
        while product > floor:
            product *= self.random.random()
            found += 1
        return found

    def amount(self, name, hour):
        factor = self.factor if self.is_on(hour) and self.kind == SHIFT and name == self.group else 1
        return round(self.random.lognormvariate(math.log(self.spend[name] * factor), 0.6), 2)

    def record(self, hour, number, name, named=True):
        """One visit or transaction as JSON; without `named` it is somebody else's who says whose."""
        if not self.is_shop:
            return '{%s"diagnosis":"%s"}' % (f'"patient_id":"p{hour}-{number}",' if named else "", name)
        amount = self.amount(name, hour)
        self.spent[hour][name].append(amount)
        whose = f'"account":"a{hour}-{number}","transaction_type":"Debit",' if named else ""
        return '{%s"merchant_category":"%s","amount":%s}' % (whose, name, amount)

    def commands(self, stream, extra=()):
        """One piece of bytes for each hour: its records as entries with the ids of its time. In the last hours comes a record of
        `extra` each, as whose group and amount are said here; behind them comes one record that ends the last window."""
        extra = list(extra)
        for hour in range(self.hours):
            self.counts.append({name: self.count(name, hour) for name in self.names})
            self.spent.append({name: [] for name in self.names})
            made = [self.record(hour, number, name) for name, count in self.counts[hour].items() for number in range(count)]
            if hour >= self.hours - 3 and extra:
                name = self.names[hour % len(self.names)]
                made.append(json.dumps({**extra.pop(), **json.loads(self.record(hour, -1, name, named=False))}))
                self.counts[hour][name] += 1
            self.random.shuffle(made)
            yield b"".join(entry(stream, hour * HOUR_MS + i * HOUR_MS // len(made), record) for i, record in enumerate(made))
        self.counts.append({}), self.spent.append({name: [] for name in self.names})
        yield entry(stream, self.hours * HOUR_MS, self.record(self.hours, 0, self.names[0]))

    def is_true(self, hour, name, figure, measure):
        """Whether that was the figure of the group in that hour: of a sum the mean of a record, of a sketch within 1 %."""
        if measure == "count":
            return figure == self.counts[hour][name]
        amounts = self.spent[hour][name]
        middle = statistics.median_low(amounts) if measure.startswith("median") else statistics.fmean(amounts)
        return abs(figure - middle) <= (0.02 if measure.startswith("median") else 1e-5) * middle


def entry(stream, at_ms, record):
    return pack(["XADD", stream, f"{MONDAY_MS + at_ms}-0", "data", record])
