//===- Convolution.cpp - Conv, ConvTranspose ------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"
#include "compiler/import/Window.h"

#include "llvm/ADT/Twine.h"

using namespace mlir;

namespace nestor::import {

namespace {

struct Operands {
  Value input, filter, bias;
};

/// Checks what the rules below index, and brings the operands to f32.
FailureOr<Operands> readOperands(NodeImporter &n, Value input, Value filter, Value bias) {
  int64_t rank = tensorType(input).getRank();
  if (rank < 3 || tensorType(filter).getRank() != rank)
    return n.unsupported("input and filter must have the same rank, at least 3, but have " +
                         Twine(rank) + " and " + Twine(tensorType(filter).getRank()));
  Type f32 = n.builder.getF32Type();
  return Operands{n.cast(input, f32), n.cast(filter, f32), bias ? n.cast(bias, f32) : bias};
}

/// The kernel's extents by the filter; attribute kernel_shape must agree.
FailureOr<SmallVector<int64_t>> readKernel(NodeImporter &n, Value filter) {
  SmallVector<int64_t> kernel(shapeOf(filter).drop_front(2));
  SmallVector<int64_t> given = n.intsAttr("kernel_shape");
  if (!given.empty() && given != kernel)
    return n.unsupported("kernel_shape disagrees with the filter's shape");
  return kernel;
}

/// [A, B, K..] -> [K.., X, Y] with X, Y the first two, swapped if asked.
Value spatialFirst(NodeImporter &n, Value filter, bool swap) {
  SmallVector<int64_t> perm;
  for (int64_t i = 2; i < tensorType(filter).getRank(); ++i)
    perm.push_back(i);
  perm.push_back(swap ? 1 : 0);
  perm.push_back(swap ? 0 : 1);
  return n.transpose(filter, perm);
}

FailureOr<int64_t> readGroups(NodeImporter &n, int64_t channels) {
  int64_t groups = n.intAttr("group", 1);
  if (groups < 1 || channels % groups)
    return n.unsupported("group " + Twine(groups) + " does not divide " + Twine(channels) +
                         " channels");
  return groups;
}

LogicalResult importConv(NodeImporter &n) {
  Type input = n.type(0).getElementType(), filter = n.type(1).getElementType();
  if (!isa<FloatType>(input) || input != filter) {
    std::string types;
    llvm::raw_string_ostream(types) << input << " and " << filter;
    return n.unsupported("input and filter are " + types + ", not of one float type");
  }
  FailureOr<Value> result = convolve(n, n.input(0), n.input(1), n.input(2));
  if (failed(result))
    return failure();
  n.setOutput(0, n.cast(*result, n.type(0).getElementType()));
  return success();
}

/// Begin pads of a transposed convolution, and the extents of its result.
LogicalResult resolveTransposed(NodeImporter &n, ArrayRef<int64_t> spatial, Window &window,
                                SmallVectorImpl<int64_t> &extents) {
  SmallVector<int64_t> outputPadding = n.intsAttr("output_padding"),
                       wanted = n.intsAttr("output_shape");
  size_t rank = window.rank();
  outputPadding.resize(rank);
  if (wanted.size() == rank + 2) // Some exporters give batch and channels too.
    wanted.erase(wanted.begin(), wanted.begin() + 2);
  if (!wanted.empty() && wanted.size() != rank)
    return n.unsupported("output_shape needs one entry per spatial dimension");
  std::string autoPad = n.stringAttr("auto_pad", "NOTSET");
  bool same = autoPad == "SAME_UPPER" || autoPad == "SAME_LOWER";
  for (size_t i = 0; i < rank; ++i) {
    int64_t whole = window.strides[i] * (spatial[i] - 1) + window.span(i);
    if (wanted.empty() && !same) {
      extents.push_back(whole + outputPadding[i] - window.padBegin[i] - window.padEnd[i]);
    } else {
      extents.push_back(wanted.empty() ? spatial[i] * window.strides[i] : wanted[i]);
      int64_t total = std::max<int64_t>(0, whole + outputPadding[i] - extents[i]);
      window.padBegin[i] = autoPad == "SAME_UPPER" ? total / 2 : total - total / 2;
    }
    if (extents[i] < 1)
      return n.unsupported("the result would have an extent of " + Twine(extents[i]));
    window.padEnd[i] = whole - window.padBegin[i] - extents[i];
  }
  return success();
}

LogicalResult importConvTranspose(NodeImporter &n) {
  FailureOr<Operands> operands = readOperands(n, n.input(0), n.input(1), n.input(2));
  if (failed(operands))
    return failure();
  ArrayRef<int64_t> shape = n.shape(0), spatial = shape.drop_front(2);
  FailureOr<SmallVector<int64_t>> kernel = readKernel(n, n.input(1));
  FailureOr<int64_t> groups = readGroups(n, shape[1]);
  if (failed(kernel) || failed(groups))
    return failure();
  FailureOr<Window> window = readWindow(n, spatial, *kernel);
  SmallVector<int64_t> extents;
  if (failed(window) || failed(resolveTransposed(n, spatial, *window, extents)))
    return failure();
  SmallVector<int64_t> result{shape[0]};
  llvm::append_range(result, extents);
  result.push_back(n.shape(1)[1] * *groups);
  Value output = n.create<nest::ConvTransposeOp>(
      withShape(operands->input, result), n.toChannelsLast(operands->input),
      spatialFirst(n, operands->filter, /*swap=*/false), operands->bias, window->strides,
      window->dilations, window->padBegin, window->padEnd, *groups);
  n.setOutput(0, n.cast(n.toChannelsFirst(output), n.type(0).getElementType()));
  return success();
}

} // namespace

FailureOr<Value> convolve(NodeImporter &n, Value input, Value filter, Value bias) {
  FailureOr<Operands> operands = readOperands(n, input, filter, bias);
  if (failed(operands))
    return failure();
  ArrayRef<int64_t> shape = shapeOf(input), spatial = shape.drop_front(2);
  FailureOr<SmallVector<int64_t>> kernel = readKernel(n, filter);
  FailureOr<int64_t> groups = readGroups(n, shape[1]);
  if (failed(kernel) || failed(groups))
    return failure();
  FailureOr<Window> window = readWindow(n, spatial, *kernel);
  if (failed(window))
    return failure();
  SmallVector<int64_t> result{shape[0]};
  for (size_t i = 0; i < spatial.size(); ++i)
    result.push_back(window->positions(i, spatial[i]));
  result.push_back(shapeOf(filter)[0]);
  Value output = n.create<nest::ConvOp>(
      withShape(operands->input, result), n.toChannelsLast(operands->input),
      spatialFirst(n, operands->filter, /*swap=*/true), /*scale=*/Value(), operands->bias,
      /*extras=*/ValueRange(), window->kernel, window->strides, window->dilations, window->padBegin,
      window->padEnd, *groups);
  return n.toChannelsFirst(output);
}

void registerConvolutionRules(ImportRegistry &registry) {
  registry.add(
      {"", "Conv", 1, kNewestOpset, importConv, "1 to 3 spatial dimensions; computed in f32", 2});
  registry.add({"", "ConvTranspose", 1, kNewestOpset, importConvTranspose,
                "1 to 3 spatial dimensions; computed in f32", 2});
}

} // namespace nestor::import
