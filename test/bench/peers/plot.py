# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""One picture of all networks: how fast each engine is, relative to the best peer."""
import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402  (after the choice of the back end)

COLOURS = {"nestor": "#b3261e", "onnxruntime": "#8fa3b8", "ncnn": "#4f6d8c", "mnn": "#b8a88f", "openvino": "#7d9480"}


def plot(results, engines, path, title):
    """Writes an SVG or PNG, by the file name's ending."""
    results = [result for result in results if result["best_peer"]]
    figure, axes = plt.subplots(figsize=(max(6, 1.1 * len(results)), 4.5), layout="constrained")
    width = 0.8 / len(engines)
    for place, name in enumerate(engines):
        at, heights = [], []
        for row, result in enumerate(results):
            engine = result["engines"].get(name, {})
            if "median_us" in engine and not engine.get("failure"):
                at.append(row + (place - (len(engines) - 1) / 2) * width)
                heights.append(result["engines"][result["best_peer"]]["median_us"] / engine["median_us"])
        axes.bar(at, heights, width, label=name, color=COLOURS.get(name.split("-")[0]),
                 alpha=0.55 if "-" in name and name != engines[0] else 1)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(results)), [result["network"] for result in results], rotation=30, ha="right")
    axes.set_ylabel("speed, best peer = 1")
    axes.set_title(title)
    figure.legend(loc="outside lower center", ncols=len(engines), fontsize="small", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
