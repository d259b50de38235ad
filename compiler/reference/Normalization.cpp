//===- Normalization.cpp - Softmax, layer norm, local response norm -------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/reference/Families.h"
#include "compiler/reference/Indices.h"

using namespace mlir;
using namespace nestor::nest;
using namespace nestor::reference;

TensorValue nestor::reference::evaluateSoftmax(SoftmaxOp op, const Operands &operands) {
  AxisView view(op.getType().getShape(), op.getAxis());
  std::vector<double> values = toVector<double>(operands[op.getInput()]);
  view.forEachLine([&](int64_t o, int64_t i) {
    double largest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t e = 0; e < view.extent; ++e)
      largest = std::max(largest, values[view.offset(o, e, i)]);
    for (int64_t e = 0; e < view.extent; ++e)
      sum += std::exp(values[view.offset(o, e, i)] - largest);
    for (int64_t e = 0; e < view.extent; ++e) {
      double &value = values[view.offset(o, e, i)];
      value = op.getLog() ? value - largest - std::log(sum) : std::exp(value - largest) / sum;
    }
  });
  return fromVector(op.getType(), values);
}

TensorValue nestor::reference::evaluateNorm(NormOp op, const Operands &operands) {
  ArrayRef<int64_t> shape = op.getType().getShape();
  int64_t extent = product(shape.drop_front(op.getAxis()));
  std::vector<double> values = toVector<double>(operands[op.getInput()]);
  for (size_t begin = 0; begin < values.size(); begin += extent) {
    MutableArrayRef<double> row = MutableArrayRef<double>(values).slice(begin, extent);
    double mean = 0, variance = 0;
    if (!op.getRms()) {
      for (double value : row)
        mean += value;
      mean /= extent;
    }
    for (double value : row)
      variance += (value - mean) * (value - mean);
    double deviation = std::sqrt(variance / extent + op.getEpsilon().convertToDouble());
    for (double &value : row)
      value = (value - mean) / deviation;
  }
  if (Value scale = op.getScale()) {
    auto factors = toVector<double>(broadcast(operands[scale], shape));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] *= factors[i];
  }
  if (Value bias = op.getBias()) {
    auto terms = toVector<double>(broadcast(operands[bias], shape));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] += terms[i];
  }
  return fromVector(op.getType(), values);
}

TensorValue nestor::reference::evaluateLrn(LrnOp op, const Operands &operands) {
  int64_t channels = op.getType().getShape().back(), size = op.getSize();
  double alpha = op.getAlpha().convertToDouble(), beta = op.getBeta().convertToDouble();
  double k = op.getK().convertToDouble();
  std::vector<double> input = toVector<double>(operands[op.getInput()]);
  std::vector<double> result(input.size());
  for (size_t i = 0; i < input.size(); ++i) {
    int64_t c = i % channels;
    int64_t first = std::max<int64_t>(c - (size - 1) / 2, 0);
    int64_t last = std::min<int64_t>(c + size / 2, channels - 1);
    double sum = 0;
    for (int64_t other = first; other <= last; ++other)
      sum += input[i - c + other] * input[i - c + other];
    result[i] = input[i] / std::pow(k + alpha / size * sum, beta);
  }
  return fromVector(op.getType(), result);
}
