"""Writes the assignment that the benchmark grades: two notebooks as a class in
data analysis has them, with numpy and matplotlib, an answer, tests and a plot in
each part. The source holds the solutions, and is graded as the submission."""

import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
count = 0


def cell(kind, source, **flags):
    global count
    count += 1
    c = {"cell_type": kind, "id": f"c{count:03}", "metadata": {}, "source": source.splitlines(keepends=True)}
    if kind == "code":
        c.update(execution_count=None, outputs=[])
    if flags:
        m = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False, **flags}
        c["metadata"]["nbgrader"] = m
    return c


def part(n, kind):
    noise = f"rng = np.random.default_rng({n})\nx = np.linspace(0, 10, 4000)\ny{n} = {kind}(x) + rng.normal(0, 0.1, x.size)"
    return [
        cell("markdown", f"## Part {n}\n\nSmooth a noisy $\\{kind[3:]}$ and draw it."),
        cell("code", noise, grade_id=f"data{n}", locked=True),
        cell("code", f"def smooth{n}(y, width):\n    ### BEGIN SOLUTION\n    kernel = np.ones(width) / width\n    return np.convolve(y, kernel, mode='same')\n    ### END SOLUTION", grade_id=f"smooth{n}", solution=True),
        cell("code", f"assert smooth{n}(y{n}, 5).shape == y{n}.shape\n### BEGIN HIDDEN TESTS\nassert np.allclose(smooth{n}(np.ones(9), 3)[1:-1], 1)\n### END HIDDEN TESTS", grade_id=f"test-smooth{n}", grade=True, locked=True, points=2),
        cell("code", f"fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3))\nleft.plot(x, y{n}, '.', markersize=2)\nleft.plot(x, smooth{n}(y{n}, 50))\nright.hist(y{n} - smooth{n}(y{n}, 50), bins=60)\nright.set_title('residuals');"),
    ]


for name, kind in (("p1", "np.sin"), ("p2", "np.cos")):
    nb = {
        "cells": [cell("markdown", f"# {name}"), cell("code", "import numpy as np\nimport matplotlib.pyplot as plt", grade_id=f"{name}-setup", locked=True), *part(1, kind), *part(2, kind)],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    with open(f"{HERE}/{name}.ipynb", "w") as f:
        json.dump(nb, f, indent=1, sort_keys=True)
        f.write("\n")
