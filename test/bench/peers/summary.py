# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""From rounds of measurements to a table, with what the rounds cannot tell."""
import statistics

PEAK_DRIFT = 0.05
SPREAD = 0.15
OTHERS = 0.1  # Of the CPUs; clock ticks make it uncertain by a few hundredths.


def summarise(result, ping_pong_limit):
    """Adds to a network's result what the table shows.

    `ratio` is the best peer's median over Nestor's, of the same round, in the
    middle over the rounds: above 1 Nestor is faster. `ratio_of_fastest` compares
    the fastest runs of all rounds, with whichever peer has the fastest. Where all
    rounds and the fastest runs do not agree on who is faster, nothing is told:
    what other programs do to a few rounds can turn medians over.
    """
    timed = {name: engine for name, engine in result["engines"].items() if engine.get("rounds")}
    peaks = [moment["peak_gflops"] for moment in result["probes"]]
    result["peak_gflops"] = statistics.median(peaks) if peaks else None
    for engine in timed.values():
        medians = [turn["median_us"] for turn in engine["rounds"]]
        engine["min_us"] = min(turn["min_us"] for turn in engine["rounds"])
        engine["median_us"] = statistics.median(medians)
        engine["spread"] = max(medians) / min(medians) - 1
        engine["percent_of_peak"] = 2e-1 * result["macs"] / (engine["min_us"] * result["peak_gflops"])
    ours = result["compared"]
    peers = [name for name, engine in timed.items() if not name.startswith("nestor") and not engine.get("failure")]
    result["best_peer"] = min(peers, key=lambda name: timed[name]["median_us"], default=None)
    result["noise"] = noise_of(result, timed, ping_pong_limit)
    if result["best_peer"] is None or ours not in timed:
        result["verdict"] = "not measured"
        return
    best = timed[result["best_peer"]]
    ratios = [peer["median_us"] / own["median_us"] for peer, own in zip(best["rounds"], timed[ours]["rounds"])]
    result.update(ratio=statistics.median(ratios), ratio_low=min(ratios), ratio_high=max(ratios),
                  ratio_of_fastest=min(timed[name]["min_us"] for name in peers) / timed[ours]["min_us"])
    every = [*ratios, result["ratio_of_fastest"]]
    result["verdict"] = "ahead" if min(every) >= 1 else "behind" if max(every) < 1 else "cannot tell"
    if timed[ours].get("failure"):
        result["verdict"] = "outputs differ"


def noise_of(result, timed, ping_pong_limit):
    """Sentences about what moved while this network was measured."""
    found = []
    peaks = [moment["peak_gflops"] for moment in result["probes"]]
    if peaks and max(peaks) / min(peaks) - 1 > PEAK_DRIFT:
        found.append(f"the peak moved between {min(peaks):.0f} and {max(peaks):.0f} GFLOP/s")
    for name in (result["compared"], result["best_peer"]):
        if name not in timed:
            continue
        if timed[name]["spread"] > SPREAD:
            found.append(f"medians of {name} differ by {100 * timed[name]['spread']:.0f} % between rounds")
        share = statistics.mean(turn["others"] for turn in timed[name]["rounds"])
        if share > OTHERS:
            found.append(f"other programs had {100 * share:.0f} % of the CPUs while {name} ran")
    if result["rejected_rounds"]:
        found.append(f"{result['rejected_rounds']} rounds do not count, since a store took more than "
                     f"{ping_pong_limit:.0f} ns from CPU to CPU")
    return found


def table(results, engines):
    """Markdown: one row a network."""
    columns = ["network", "MMACs", *engines, "best peer", "best peer / Nestor", "lowest to highest round",
               "fastest runs"]
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for result in results:
        cells = [cell(result["engines"].get(name, {}), result["best_peer"] == name) for name in engines]
        ratio, extent, fastest = "–", "–", "–"
        if "ratio" in result:
            ratio = f"{result['ratio']:.2f}" if result["verdict"] in ("ahead", "behind") else \
                f"{result['ratio']:.2f} ({result['verdict']})"
            extent = f"{result['ratio_low']:.2f} to {result['ratio_high']:.2f}"
            fastest = f"{result['ratio_of_fastest']:.2f}"
        lines.append("| " + " | ".join([result["network"], f"{result['macs'] / 1e6:.2f}", *cells,
                                        result["best_peer"] or "–", ratio, extent, fastest]) + " |")
    return "\n".join(lines)


def cell(engine, best):
    if "median_us" not in engine:
        return "–"
    digits = 1 if engine["min_us"] > 1e4 else 3 if engine["min_us"] > 100 else 4
    text = f"{engine['min_us'] / 1e3:.{digits}f} / {engine['median_us'] / 1e3:.{digits}f}"
    if engine.get("failure"):
        return f"{text} (outputs differ)"
    text += f" ({engine['percent_of_peak']:.0f} %)"
    return f"**{text}**" if best else text


def notes(results):
    """What to know before believing the table."""
    lines = ["Cells: fastest run / median of the rounds' medians, ms (percent of the multiply-add peak, by the MACs of",
             "direct convolution and the fastest run); bold: the best peer, by its median. The ratio is that of medians",
             "in the same round; the last column is that of the fastest runs, of whichever peer."]
    for result in results:
        for name, engine in result["engines"].items():
            if engine.get("remark"):
                lines.append(f"- {result['network']}: {name} counts, although {engine['remark']}, more than Nestor's "
                             "may be")
            if engine.get("failure"):
                lines.append(f"- {result['network']}: {name} does not count: {engine['failure']}")
        for sentence in result["noise"]:
            lines.append(f"- {result['network']}: {sentence}")
    doubtful = [result["network"] for result in results if result["verdict"] == "cannot tell"]
    noisy = [result["network"] for result in results if result["noise"]]
    if doubtful:
        lines.append(f"Too noisy or too close to tell who is faster: {', '.join(doubtful)}.")
    if noisy:
        lines.append(f"The machine was not quiet during {len(noisy)} of {len(results)} networks; their times are not "
                     "to be quoted.")
    elif any("ratio" in result for result in results):
        lines.append("The machine was quiet throughout.")
    return "\n".join(lines)


def origin(results, machine):
    """Where the numbers are from: the CPU, its peak, and the engines' versions."""
    versions = {name: engine["version"] for result in results for name, engine in result["engines"].items()
                if "version" in engine}
    peaks = [result["peak_gflops"] for result in results if result["peak_gflops"]]
    peak = f", multiply-add peak {statistics.median(peaks):.0f} GFLOP/s" if peaks else ""
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (f"{len(machine['used'])} of {machine['cpus']} CPUs, {machine['cpu']}{peak}, load "
            f"{machine['load_average']:.1f}; {listed}")
