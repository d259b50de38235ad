// Part of Nestor. SPDX-License-Identifier: Apache-2.0
#ifndef CAMERA_LOOP_GOVERNOR_H
#define CAMERA_LOOP_GOVERNOR_H

#include <nestor/nestor.hpp>

#include <algorithm>
#include <vector>

/// Chooses the capacity of the next frame so that a frame, the app's other work
/// included, stays within a time budget. It lowers the capacity after two late
/// frames, as far as needed; it raises it by one step when the next one has
/// promised to fit ten times in a row, so that it does not swing.
class Governor {
public:
  Governor(const std::vector<nestor::CapacityInfo> &capacities, double budgetUs)
      : budgetUs_(budgetUs), modelUs_(capacities.size()), current_(capacities.size() - 1) {
    for (const nestor::CapacityInfo &capacity : capacities)
      macs_.push_back(static_cast<double>(capacity.macs));
  }

  size_t current() const { return current_; }

  /// Takes what the last frame took, the model alone and all else, and returns
  /// the index of the capacity for the next one.
  size_t next(double modelUs, double otherUs) {
    blend(modelUs_[current_], modelUs);
    blend(otherUs_, otherUs);
    late_ = modelUs + otherUs > budgetUs_ ? late_ + 1 : 0;
    bool room = current_ + 1 < macs_.size() && fits(current_ + 1);
    calm_ = late_ == 0 && room ? calm_ + 1 : 0;
    if (late_ >= kLateFrames)
      move_to(lower());
    else if (calm_ >= kCalmFrames)
      move_to(current_ + 1);
    return current_;
  }

private:
  static constexpr int kLateFrames = 2, kCalmFrames = 10;
  static constexpr double kMargin = 0.9;

  /// A moving average; 0 means that there is none yet.
  static void blend(double &average, double value) {
    average = average == 0 ? value : 0.6 * average + 0.4 * value;
  }
  /// What a capacity took when it ran last; by its MACs if it has not run, or
  /// if that is less for a larger one, since a disturbed run must not bar it.
  double expected(size_t index) const {
    double seen = modelUs_[index];
    double byMacs = modelUs_[current_] * macs_[index] / macs_[current_];
    if (seen == 0)
      return byMacs;
    return index > current_ ? std::min(seen, byMacs) : seen;
  }
  bool fits(size_t index) const { return expected(index) + otherUs_ <= kMargin * budgetUs_; }
  size_t lower() const {
    size_t index = current_ > 0 ? current_ - 1 : 0;
    while (index > 0 && !fits(index))
      --index;
    return index;
  }
  void move_to(size_t index) {
    current_ = index;
    late_ = calm_ = 0;
  }

  double budgetUs_, otherUs_ = 0;
  std::vector<double> macs_, modelUs_; ///< By capacity.
  size_t current_;
  int late_ = 0, calm_ = 0; ///< Frames in a row.
};

#endif // CAMERA_LOOP_GOVERNOR_H
