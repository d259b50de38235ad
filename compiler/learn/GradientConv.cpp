//===- GradientConv.cpp - Gradients of convolutions -----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The gradient with respect to the input is itself a convolution, of the
// gradient with the filter whose taps are reversed and whose inputs and outputs
// have changed places. Strides become steps of the result: a transposed
// convolution where there is one group, otherwise zeros between the pixels.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Convolutions.h"
#include "compiler/learn/GradientRules.h"
#include "passes/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::learn;
using namespace nestor::nest;

using Extents = SmallVector<int64_t>;

/// [K.., I/groups, O] -> [K.., O/groups, I]
static Value exchangeChannels(ConvOp op, Gradients &g) {
  Value filter = op.getFilter();
  size_t n = op.getKernel().size();
  int64_t groups = op.getGroups(), inputs = shapeOf(filter)[n], outputs = shapeOf(filter)[n + 1];
  Extents split(op.getKernel()), order(llvm::to_vector(llvm::seq<int64_t>(0, n))), shape(split);
  split.append({inputs, groups, outputs / groups});
  order.append({int64_t(n) + 2, int64_t(n) + 1, int64_t(n)});
  shape.append({outputs / groups, inputs * groups});
  Location loc = op.getLoc();
  return reshapeTo(g, loc, transposeTo(g, loc, reshapeTo(g, loc, filter, split), order), shape);
}

static Value reverseTaps(ConvOp op, Value filter, Gradients &g) {
  Extents starts, steps;
  for (int64_t extent : op.getKernel()) {
    starts.push_back(extent - 1);
    steps.push_back(extent > 1 ? -1 : 1);
  }
  starts.append({0, 0});
  steps.append({1, 1});
  return g.slice(filter, starts, steps, shapeOf(filter));
}

/// One entry for each dimension of a tensor: those of the spatial ones, and
/// `other` for batch and channels.
static Extents aroundSpatial(ArrayRef<int64_t> spatial, int64_t other) {
  Extents all{other};
  llvm::append_range(all, spatial);
  all.push_back(other);
  return all;
}

/// Pixels see one pixel each: the product first, then the zeros between.
static Value pointwiseInputGradient(ConvOp op, Value grad, Value filter, Gradients &g) {
  Extents shape(shapeOf(grad)), ones(op.getKernel().size(), 1), zeros(ones.size(), 0), high;
  shape.back() = shapeOf(op.getInput()).back();
  Value spread = ConvOp::create(g, tensorType(grad).clone(shape), grad, filter, /*scale=*/Value(),
                                /*bias=*/Value(), /*extras=*/ValueRange(), ones, ones, ones, zeros,
                                zeros, op.getGroups(), /*packed=*/false);
  spread = g.spread(spread, aroundSpatial(op.getStrides(), 1));
  for (auto [i, pad] : llvm::enumerate(op.getPadBegin()))
    high.push_back(shapeOf(op.getInput())[i + 1] - shapeOf(spread)[i + 1] + pad);
  Extents low;
  for (int64_t pad : op.getPadBegin())
    low.push_back(-pad);
  return g.pad(spread, aroundSpatial(low, 0), aroundSpatial(high, 0));
}

/// A convolution of stride 1 over the gradient with zeros between its pixels.
static Value spreadInputGradient(ConvOp op, Value grad, Value filter, Gradients &g) {
  grad = g.spread(grad, aroundSpatial(op.getStrides(), 1));
  Extents padBegin, padEnd, ones(op.getKernel().size(), 1);
  for (auto [i, extent] : llvm::enumerate(op.getKernel())) {
    int64_t reach = op.getDilations()[i] * (extent - 1);
    padBegin.push_back(reach - op.getPadBegin()[i]);
    padEnd.push_back(shapeOf(op.getInput())[i + 1] + reach - shapeOf(grad)[i + 1] - padBegin[i]);
  }
  return ConvOp::create(g, op.getInput().getType(), grad, reverseTaps(op, filter, g),
                        /*scale=*/Value(), /*bias=*/Value(), /*extras=*/ValueRange(),
                        op.getKernel(), ones, op.getDilations(), padBegin, padEnd, op.getGroups(),
                        /*packed=*/false);
}

static Value inputGradient(ConvOp op, Value grad, Gradients &g) {
  Value filter = exchangeChannels(op, g);
  bool strided = !areOnes(op.getStrides());
  if (strided && areOnes(op.getKernel()))
    return pointwiseInputGradient(op, grad, filter, g);
  bool phases = op.getGroups() == 1 && areOnes(op.getDilations()) &&
                llvm::all_of(op.getPadBegin(), [](int64_t pad) { return pad >= 0; });
  if (!strided || !phases)
    return spreadInputGradient(op, grad, filter, g);
  Extents padEnd;
  for (auto [i, extent] : llvm::enumerate(op.getKernel()))
    padEnd.push_back(op.getStrides()[i] * (shapeOf(grad)[i + 1] - 1) + extent -
                     op.getPadBegin()[i] - shapeOf(op.getInput())[i + 1]);
  return ConvTransposeOp::create(g, op.getInput().getType(), grad, filter, /*bias=*/Value(),
                                 op.getStrides(), op.getDilations(), op.getPadBegin(), padEnd,
                                 /*groups=*/1);
}

void nestor::learn::differentiate(ConvOp op, Value grad, Gradients &g) {
  g.add(op.getBias(), grad);
  if (g.wants(op.getFilter()))
    g.add(op.getFilter(),
          ConvFilterGradOp::create(g, op.getFilter().getType(), op.getInput(), grad, op.getKernel(),
                                   op.getStrides(), op.getDilations(), op.getPadBegin(),
                                   op.getPadEnd(), op.getGroups()));
  if (g.wants(op.getInput()))
    g.add(op.getInput(), inputGradient(op, grad, g));
}

bool nestor::learn::isDot(ConvFilterGradOp op) {
  return op.getInput().getType() == op.getGrad().getType() &&
         int64_t(op.getGroups()) == shapeOf(op.getInput()).back() && areOnes(op.getKernel()) &&
         areOnes(op.getStrides());
}

void nestor::learn::differentiate(ConvFilterGradOp op, Value grad, Gradients &g) {
  g.add(op.getInput(), g.multiply(op.getGrad(), grad));
  g.add(op.getGrad(), g.multiply(op.getInput(), grad));
}

void nestor::learn::scaleFilter(ConvOp op) {
  Gradients g(OpBuilder(op), op.getLoc(), {});
  op.getFilterMutable().assign(g.multiply(op.getFilter(), op.getScale()));
  op.getScaleMutable().clear();
}
