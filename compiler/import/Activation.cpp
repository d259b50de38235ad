//===- Activation.cpp - Relu, Clip, HardSwish, Gelu, PRelu, ... -----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;

namespace nestor::import {
namespace {

/// max(a, 0) + log(1 + exp(-|a|)): log(1 + exp(a)) without overflow.
Value softplus(Scalars &s, Value a) {
  Value tail = s.apply<math::Log1pOp>(s.apply<math::ExpOp>(s.neg(s.abs(a))));
  return s.add(s.max(a, s.constant(0)), tail);
}

/// min(max(a, low), high).
Value clamp(Scalars &s, Value a, double low, double high) {
  return s.min(s.max(a, s.constant(low)), s.constant(high));
}

LogicalResult importRelu(NodeImporter &n) {
  return setElementwise(n, [](Scalars &s, ValueRange in) { return s.max(in[0], s.constant(0)); });
}

LogicalResult importLeakyRelu(NodeImporter &n) {
  double alpha = n.floatAttr("alpha", 0.01);
  return setElementwise(n, [&](Scalars &s, ValueRange in) {
    Value scaled = s.mul(in[0], s.constant(alpha));
    return s.select(s.less(in[0], s.constant(0)), scaled, in[0]);
  });
}

LogicalResult importPRelu(NodeImporter &n) {
  Value x = n.input(0), slope = n.input(1);
  if (n.opset < 7 && n.shape(1).size() == 1 && n.shape(0).size() > 1)
    slope = alongAxis(n, slope, 1, n.shape(0).size());
  n.setOutput(0, elementwise(n, {x, slope}, [](Scalars &s, ValueRange in) {
                return s.select(s.less(in[0], s.constant(0)), s.mul(in[0], in[1]), in[0]);
              }));
  return success();
}

LogicalResult importElu(NodeImporter &n) {
  double alpha = n.floatAttr("alpha", 1);
  return setElementwise(n, [&](Scalars &s, ValueRange in) {
    Value negative = s.mul(s.apply<math::ExpM1Op>(in[0]), s.constant(alpha));
    return s.select(s.less(in[0], s.constant(0)), negative, in[0]);
  });
}

LogicalResult importSelu(NodeImporter &n) {
  bool old = n.opset < 6;
  double alpha = n.floatAttr("alpha", old ? 1.6732 : 1.67326319217681884765625);
  double gamma = n.floatAttr("gamma", old ? 1.0507 : 1.05070102214813232421875);
  return setElementwise(n, [&](Scalars &s, ValueRange in) {
    Value negative = s.mul(s.apply<math::ExpM1Op>(in[0]), s.constant(alpha));
    Value chosen = s.select(s.less(s.constant(0), in[0]), in[0], negative);
    return s.mul(chosen, s.constant(gamma));
  });
}

LogicalResult importCelu(NodeImporter &n) {
  double alpha = n.floatAttr("alpha", 1);
  return setElementwise(n, [&](Scalars &s, ValueRange in) {
    Value zero = s.constant(0);
    Value scaled = s.apply<math::ExpM1Op>(s.div(in[0], s.constant(alpha)));
    return s.add(s.max(in[0], zero), s.min(s.mul(scaled, s.constant(alpha)), zero));
  });
}

LogicalResult importHardSigmoid(NodeImporter &n) {
  double alpha = n.floatAttr("alpha", 0.2), beta = n.floatAttr("beta", 0.5);
  return setElementwise(n, [&](Scalars &s, ValueRange in) {
    return clamp(s, s.add(s.mul(in[0], s.constant(alpha)), s.constant(beta)), 0, 1);
  });
}

LogicalResult importHardSwish(NodeImporter &n) {
  return setElementwise(n, [](Scalars &s, ValueRange in) {
    Value gate = s.add(s.mul(in[0], s.constant(1.0 / 6)), s.constant(0.5));
    return s.mul(in[0], clamp(s, gate, 0, 1));
  });
}

LogicalResult importSigmoid(NodeImporter &n) {
  return setElementwise(n, [](Scalars &s, ValueRange in) { return s.sigmoid(in[0]); });
}

LogicalResult importSoftplus(NodeImporter &n) {
  return setElementwise(n, [](Scalars &s, ValueRange in) { return softplus(s, in[0]); });
}

LogicalResult importSoftsign(NodeImporter &n) {
  return setElementwise(n, [](Scalars &s, ValueRange in) {
    return s.div(in[0], s.add(s.constant(1), s.abs(in[0])));
  });
}

LogicalResult importMish(NodeImporter &n) {
  return setElementwise(n, [](Scalars &s, ValueRange in) {
    return s.mul(in[0], s.apply<math::TanhOp>(softplus(s, in[0])));
  });
}

LogicalResult importGelu(NodeImporter &n) {
  std::string approximate = n.stringAttr("approximate", "none");
  if (approximate != "none" && approximate != "tanh")
    return n.unsupported("approximate = " + Twine(approximate));
  return setElementwise(n, [&](Scalars &s, ValueRange in) {
    Value x = in[0], gate;
    if (approximate == "tanh") {
      Value cube = s.mul(s.mul(x, x), s.mul(x, s.constant(0.044715)));
      gate = s.apply<math::TanhOp>(s.mul(s.add(x, cube), s.constant(std::sqrt(2 / M_PI))));
    } else {
      gate = s.apply<math::ErfOp>(s.mul(x, s.constant(M_SQRT1_2)));
    }
    return s.mul(s.mul(x, s.constant(0.5)), s.add(gate, s.constant(1)));
  });
}

LogicalResult importThresholdedRelu(NodeImporter &n) {
  double alpha = n.floatAttr("alpha", 1);
  return setElementwise(n, [&](Scalars &s, ValueRange in) {
    return s.select(s.less(s.constant(alpha), in[0]), in[0], s.constant(0));
  });
}

LogicalResult importShrink(NodeImporter &n) {
  double lambda = n.floatAttr("lambd", 0.5), bias = n.floatAttr("bias", 0);
  return setElementwise(n, [&](Scalars &s, ValueRange in) {
    Value x = in[0], b = s.constant(bias);
    Value above = s.select(s.less(s.constant(lambda), x), s.sub(x, b), s.constant(0));
    return s.isUnsigned() ? above : s.select(s.less(x, s.constant(-lambda)), s.add(x, b), above);
  });
}

/// Bounds are attributes before opset 11 and optional inputs since.
LogicalResult importClip(NodeImporter &n) {
  bool asInputs = n.opset >= 11;
  SmallVector<Value, 3> inputs{n.input(0)};
  bool hasLow = asInputs ? n.hasInput(1) : n.hasAttr("min");
  bool hasHigh = asInputs ? n.hasInput(2) : n.hasAttr("max");
  double low = n.floatAttr("min", 0), high = n.floatAttr("max", 0);
  for (unsigned i : {1, 2}) {
    if (!asInputs || !n.hasInput(i))
      continue;
    if (n.type(i).getNumElements() != 1)
      return n.unsupported("a bound must be a scalar");
    inputs.push_back(n.reshape(n.input(i), {}));
  }
  n.setOutput(0, elementwise(n, inputs, [&](Scalars &s, ValueRange in) {
                Value result = in[0];
                if (hasLow)
                  result = s.max(result, asInputs ? in[1] : s.constant(low));
                if (hasHigh)
                  result = s.min(result, asInputs ? in.back() : s.constant(high));
                return result;
              }));
  return success();
}

} // namespace

void registerActivationRules(ImportRegistry &registry) {
  auto add = [&](StringRef op, int64_t since, ImportFunction import, unsigned minInputs = 1) {
    registry.add({"", op, since, kNewestOpset, import, "", minInputs});
  };
  add("Relu", 1, importRelu);
  add("LeakyRelu", 1, importLeakyRelu);
  add("PRelu", 1, importPRelu, 2);
  add("Elu", 1, importElu);
  add("Selu", 1, importSelu);
  add("Celu", 12, importCelu);
  add("HardSigmoid", 1, importHardSigmoid);
  add("HardSwish", 14, importHardSwish);
  add("Sigmoid", 1, importSigmoid);
  add("Softplus", 1, importSoftplus);
  add("Softsign", 1, importSoftsign);
  add("Mish", 18, importMish);
  add("Gelu", 20, importGelu);
  add("ThresholdedRelu", 10, importThresholdedRelu);
  add("Shrink", 9, importShrink);
  add("Clip", 1, importClip);
}

} // namespace nestor::import
