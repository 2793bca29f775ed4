"""The floor: the same cells in a forked Python that has imported everything,
without a kernel, a container or a notebook. Prints CPU seconds per submission."""

import json
import os
import sys

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy  # noqa: F401


def submission():
    for name in ("p1", "p2"):
        space = {}
        for cell in json.load(open(f"{sys.argv[1]}/{name}.ipynb"))["cells"]:
            if cell["cell_type"] == "code":
                exec("".join(cell["source"]), space)
                for number in plt.get_fignums():
                    plt.figure(number).savefig("/tmp/out.png", bbox_inches="tight")
                plt.close("all")


n = int(sys.argv[2])
for _ in range(n):
    pid = os.fork()
    if pid == 0:
        submission()
        os._exit(0)
    os.waitpid(pid, 0)
t = os.times()
print((t.children_user + t.children_system) / n)
