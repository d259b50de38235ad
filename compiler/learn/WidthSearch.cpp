//===- WidthSearch.cpp - The best widths inside a bound -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/WidthSearch.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace nestor::learn {
namespace {

/// Choices that an exchange looks at, in all, and how many steps it widens a
/// group at once.
constexpr int64_t kMostExchanges = 300000, kMostSteps = 4;

/// The search for one capacity.
class Search {
public:
  /// Stays within `larger`, the choice of the next larger capacity.
  Search(const WidthProblem &problem, WidthChoice larger, double capacity);

  WidthChoice run();

private:
  bool isInside(const WidthChoice &choice) const {
    double macs = double(problem.macs(choice));
    return macs <= most && macs > least;
  }
  double score(const WidthChoice &choice) const;
  double gain(const WidthChoice &from, const WidthChoice &to) const;
  std::vector<WidthChoice> smaller(const WidthChoice &choice) const;
  WidthChoice descend(WidthChoice choice) const;
  WidthChoice settle(WidthChoice choice) const;
  std::optional<WidthChoice> settlePair(const WidthChoice &choice) const;
  WidthChoice exchange(WidthChoice choice) const;
  std::optional<WidthChoice> lowerToFit(WidthChoice choice, size_t group) const;
  WidthChoice uniform() const;
  std::optional<WidthChoice> skipOne(const WidthChoice &choice) const;

  const WidthProblem &problem;
  WidthChoice larger;
  double full, most, least; ///< MACs.
  double fullTime = 0;
  std::vector<llvm::SmallVector<int64_t>> grid;
};

Search::Search(const WidthProblem &problem, WidthChoice larger, double capacity)
    : problem(problem), larger(std::move(larger)) {
  full = double(problem.macs(problem.full()));
  // A hair more, for capacities that are rounded fractions.
  most = capacity * full * (1 + 1e-9);
  least = (capacity - kSlack) * full;
  if (problem.microseconds)
    fullTime = problem.microseconds(problem.full());
  for (int64_t channels : problem.channels)
    grid.push_back(friendlyWidths(channels));
}

/// What choices inside the bound are compared by: a percent of error is worth
/// a percent of time.
double Search::score(const WidthChoice &choice) const {
  double error = problem.error(choice) + 1e-9;
  return fullTime > 0 ? error * problem.microseconds(choice) / fullTime : error;
}

/// What `to` saves of the work.
double Search::gain(const WidthChoice &from, const WidthChoice &to) const {
  double gain = (double(problem.macs(from)) - double(problem.macs(to))) / full;
  if (fullTime > 0)
    gain = (gain + (problem.microseconds(from) - problem.microseconds(to)) / fullTime) / 2;
  return gain;
}

/// All choices with one group narrower, or one block less.
std::vector<WidthChoice> Search::smaller(const WidthChoice &choice) const {
  std::vector<WidthChoice> result;
  for (size_t group = 0; group < grid.size(); ++group)
    for (int64_t width : grid[group])
      if (width < choice.widths[group]) {
        result.push_back(choice);
        result.back().widths[group] = width;
      }
  for (size_t block = 0; block < choice.skipped.size(); ++block)
    if (!choice.skipped[block] && std::isfinite(problem.skipError[block])) {
      result.push_back(choice);
      result.back().skipped[block] = true;
    }
  return result;
}

/// Goes down by the cheapest step, as long as one leads to the bound or to a
/// place above it.
WidthChoice Search::descend(WidthChoice choice) const {
  while (double(problem.macs(choice)) > most) {
    std::optional<WidthChoice> best;
    double least = std::numeric_limits<double>::infinity();
    double present = problem.error(choice);
    for (WidthChoice &next : smaller(choice)) {
      double saved = gain(choice, next);
      double price = (problem.error(next) - present) / saved;
      if (saved > 0 && double(problem.macs(next)) > this->least && price < least)
        least = price, best = std::move(next);
    }
    if (!best)
      break;
    choice = std::move(*best);
  }
  return settle(std::move(choice));
}

/// Where friendly widths do not lead into the bound, any width will do; and
/// where none does, the nearest.
WidthChoice Search::settle(WidthChoice choice) const {
  while (!isInside(choice) && double(problem.macs(choice)) > most) {
    WidthChoice best = choice;
    double price = std::numeric_limits<double>::infinity();
    double over = double(problem.macs(choice)) - most;
    for (size_t group = 0; group < choice.widths.size(); ++group) {
      WidthChoice next = choice;
      // One channel at a time does for all but the widest groups.
      int64_t step = std::max<int64_t>(1, problem.channels[group] / 64);
      for (next.widths[group] -= step; next.widths[group] >= 1; next.widths[group] -= step) {
        double macs = double(problem.macs(next));
        if (macs <= least)
          break;
        // What leads into the bound at once is best, then what comes closer.
        double saved = std::min(double(problem.macs(choice)) - macs, over);
        double error = problem.error(next) - problem.error(choice);
        double penalty = macs <= most ? 0 : 1e6;
        if (saved > 0 && penalty + error / saved * full < price)
          price = penalty + error / saved * full, best = next;
      }
    }
    if (best.widths == choice.widths)
      break;
    choice = std::move(best);
  }
  if (isInside(choice))
    return choice;
  if (std::optional<WidthChoice> pair = settlePair(choice))
    return *pair;
  // Below the bound there may be something nearer than what is above it.
  WidthChoice nearest = choice;
  auto distance = [&](const WidthChoice &at) {
    double macs = double(problem.macs(at));
    return macs > most ? macs - most : most - macs;
  };
  for (WidthChoice &next : smaller(choice))
    if (distance(next) < distance(nearest))
      nearest = std::move(next);
  return nearest;
}

/// Where the channels of one group alone are too large a step, those of two may
/// add up to one that fits.
std::optional<WidthChoice> Search::settlePair(const WidthChoice &choice) const {
  std::optional<WidthChoice> best;
  int64_t looked = 0;
  for (size_t a = 0; a < grid.size(); ++a)
    for (size_t b = a + 1; b < grid.size() && looked < kMostExchanges; ++b) {
      WidthChoice next = choice;
      for (next.widths[a] = 1; next.widths[a] <= larger.widths[a]; ++next.widths[a])
        for (next.widths[b] = larger.widths[b]; next.widths[b] >= 1; --next.widths[b]) {
          ++looked;
          double macs = double(problem.macs(next));
          if (macs <= least)
            break;
          if (macs <= most && (!best || score(next) < score(*best)))
            best = next;
        }
    }
  return best;
}

/// The widest `group` for which the choice is inside the bound.
std::optional<WidthChoice> Search::lowerToFit(WidthChoice choice, size_t group) const {
  for (int64_t width : llvm::reverse(grid[group])) {
    if (width >= choice.widths[group])
      continue;
    WidthChoice next = choice;
    next.widths[group] = width;
    double macs = double(problem.macs(next));
    if (macs <= least)
      return std::nullopt;
    if (macs <= most)
      return next;
  }
  return std::nullopt;
}

/// Gives one group more channels and another one less while that is better.
WidthChoice Search::exchange(WidthChoice choice) const {
  int64_t looked = 0;
  for (bool changed = true; changed && looked < kMostExchanges;) {
    changed = false;
    double best = score(choice) * (1 - 1e-6);
    WidthChoice found = choice;
    auto consider = [&](const WidthChoice &next) {
      ++looked;
      if (isInside(next) && score(next) < best)
        best = score(next), found = next, changed = true;
    };
    for (size_t up = 0; up < grid.size(); ++up) {
      const int64_t *first = llvm::upper_bound(grid[up], choice.widths[up]);
      for (int64_t width : llvm::ArrayRef(first, grid[up].end()).take_front(kMostSteps)) {
        if (width > larger.widths[up])
          break;
        WidthChoice wider = choice;
        wider.widths[up] = width;
        consider(wider);
        for (size_t down = 0; down < grid.size(); ++down)
          if (down != up)
            if (auto next = lowerToFit(wider, down))
              consider(*next);
      }
    }
    for (const WidthChoice &next : smaller(choice))
      consider(next);
    choice = std::move(found);
  }
  return choice;
}

/// The same share of every group: another place to begin.
WidthChoice Search::uniform() const {
  WidthChoice choice = larger;
  for (double share = 1; share > 0 && double(problem.macs(choice)) > most; share -= 0.01)
    for (size_t group = 0; group < grid.size(); ++group) {
      int64_t want = std::max<int64_t>(1, std::llround(share * problem.channels[group]));
      auto above = llvm::lower_bound(grid[group], want);
      choice.widths[group] = std::min(*above, larger.widths[group]);
    }
  // The last step went too far where it changed many groups at once.
  for (size_t group = 0; group < grid.size(); ++group)
    for (int64_t width : grid[group])
      if (width > choice.widths[group] && width <= larger.widths[group]) {
        WidthChoice wider = choice;
        wider.widths[group] = width;
        if (double(problem.macs(wider)) <= most)
          choice = wider;
      }
  return choice;
}

/// One block less: the one that costs least for what it saves.
std::optional<WidthChoice> Search::skipOne(const WidthChoice &choice) const {
  std::optional<WidthChoice> best;
  double least = std::numeric_limits<double>::infinity();
  for (size_t block = 0; block < choice.skipped.size(); ++block) {
    WidthChoice next = choice;
    next.skipped[block] = true;
    double saved = gain(choice, next);
    double price = (problem.error(next) - problem.error(choice)) / saved;
    if (!choice.skipped[block] && saved > 0 && price < least)
      least = price, best = std::move(next);
  }
  return best;
}

WidthChoice Search::run() {
  WidthChoice best = exchange(descend(larger));
  if (double(problem.macs(larger)) <= most)
    return best;
  auto consider = [&](WidthChoice other) {
    if (!isInside(other))
      return;
    other = exchange(std::move(other));
    if (!isInside(best) || score(other) < score(best))
      best = std::move(other);
  };
  consider(uniform());
  // Blocks are too large a step to be found on the way.
  std::optional<WidthChoice> start = skipOne(larger);
  for (; start && double(problem.macs(*start)) > least; start = skipOne(*start))
    consider(descend(*start));
  WidthChoice scaled = larger;
  while (++scaled.input < problem.inputError.size() && double(problem.macs(scaled)) > least)
    consider(descend(scaled));
  return best;
}

} // namespace

double WidthProblem::error(const WidthChoice &choice) const {
  std::vector<bool> counts(channels.size(), true);
  double sum = inputError[choice.input];
  for (size_t block = 0; block < choice.skipped.size(); ++block)
    if (choice.skipped[block]) {
      sum += skipError[block];
      for (int64_t group : inside[block])
        counts[group] = false;
    }
  for (size_t group = 0; group < channels.size(); ++group)
    if (counts[group])
      sum += curve[group][choice.widths[group]];
  return sum;
}

WidthChoice WidthProblem::full() const {
  WidthChoice choice;
  choice.widths.assign(channels.begin(), channels.end());
  choice.skipped.assign(skipError.size(), false);
  return choice;
}

llvm::SmallVector<int64_t> friendlyWidths(int64_t channels) {
  int64_t step = channels >= 64 ? 16 : channels >= 16 ? 8 : std::max<int64_t>(1, channels / 4);
  llvm::SmallVector<int64_t> widths;
  for (int64_t width = step; width < channels; width += step)
    widths.push_back(width);
  widths.push_back(channels);
  return widths;
}

std::vector<WidthChoice> searchWidths(const WidthProblem &problem,
                                      llvm::ArrayRef<double> capacities) {
  std::vector<WidthChoice> choices(capacities.size(), problem.full());
  for (size_t i = capacities.size(); i-- > 0;)
    if (capacities[i] < 1)
      choices[i] =
          Search(problem, i + 1 < choices.size() ? choices[i + 1] : problem.full(), capacities[i])
              .run();
  return choices;
}

} // namespace nestor::learn
