# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""What run_peers.py concludes from measurements: nothing here is timed."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peers import summary  # noqa: E402


def engine(medians, fastest=None, others=0.0, **extra):
    fastest = fastest or [0.9 * median for median in medians]
    turns = [{"min_us": low, "median_us": median, "others": others} for low, median in zip(fastest, medians)]
    return {"rounds": turns, **extra}


def summarised(peaks=(100, 100), rejected=0, **engines):
    probes = [{"peak_gflops": peak, "ping_pong_ns": 100} for peak in peaks]
    result = {"network": "net", "macs": 1_000_000, "compared": "nestor", "engines": engines, "probes": probes,
              "rejected_rounds": rejected}
    summary.summarise(result, 250)
    return result


class SummaryTest(unittest.TestCase):
    def test_the_ratio_is_that_of_the_same_round(self):
        result = summarised(nestor=engine([100, 200, 100]), ncnn=engine([120, 240, 150]), mnn=engine([300, 300, 300]))
        self.assertEqual(result["best_peer"], "ncnn")
        self.assertAlmostEqual(result["ratio"], 1.2)
        self.assertEqual((result["ratio_low"], result["ratio_high"]), (1.2, 1.5))
        self.assertEqual(result["verdict"], "ahead")

    def test_rounds_that_disagree_tell_nothing(self):
        result = summarised(nestor=engine([100, 100, 100]), ncnn=engine([98, 120, 101]))
        self.assertEqual(result["verdict"], "cannot tell")
        self.assertIn("(cannot tell)", summary.table([result], ["nestor", "ncnn"]))
        self.assertIn("who is faster: net", summary.notes([result]))

    def test_behind_in_all_rounds(self):
        self.assertEqual(summarised(nestor=engine([100, 110]), ncnn=engine([90, 100]))["verdict"], "behind")

    def test_a_peer_with_other_outputs_is_not_the_best(self):
        result = summarised(nestor=engine([100]), ncnn=engine([50], failure="wrong"), mnn=engine([80]))
        self.assertEqual(result["best_peer"], "mnn")
        self.assertIn("ncnn does not count: wrong", summary.notes([result]))

    def test_nestor_with_other_outputs_is_not_ahead(self):
        result = summarised(nestor=engine([50], failure="wrong"), ncnn=engine([100]))
        self.assertEqual(result["verdict"], "outputs differ")

    def test_without_rounds_or_peers_nothing_is_measured(self):
        self.assertEqual(summarised(nestor=engine([50]))["verdict"], "not measured")
        self.assertEqual(summarised(peaks=(), nestor={}, ncnn={})["verdict"], "not measured")

    def test_fastest_runs_are_compared_with_any_peer(self):
        result = summarised(nestor=engine([100], [90]), ncnn=engine([110], [100]), mnn=engine([200], [45]))
        self.assertEqual(result["best_peer"], "ncnn")
        self.assertAlmostEqual(result["ratio_of_fastest"], 0.5)

    def test_medians_that_the_fastest_runs_contradict_tell_nothing(self):
        result = summarised(nestor=engine([100, 100], [90, 90]), ncnn=engine([110, 150], [80, 80]))
        self.assertEqual(result["verdict"], "cannot tell")

    def test_percent_of_peak(self):
        # A million multiply-adds in 40 us are 50 GFLOP/s.
        result = summarised(nestor=engine([50], [40]), ncnn=engine([60]))
        self.assertAlmostEqual(result["engines"]["nestor"]["percent_of_peak"], 50)

    def test_a_quiet_machine_makes_no_remarks(self):
        result = summarised(nestor=engine([100, 101]), ncnn=engine([120, 121]))
        self.assertEqual(result["noise"], [])
        self.assertIn("The machine was quiet throughout.", summary.notes([result]))

    def test_what_moved_is_said(self):
        result = summarised(peaks=(100, 90), rejected=2, nestor=engine([100, 130]), ncnn=engine([200, 200], others=0.4))
        text = summary.notes([result])
        for part in ("the peak moved between 90 and 100 GFLOP/s", "medians of nestor differ by 30 %",
                     "other programs had 40 % of the CPUs while ncnn ran", "2 rounds do not count",
                     "was not quiet during 1 of 1"):
            self.assertIn(part, text)


if __name__ == "__main__":
    unittest.main()
