# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""describe_onnx.py MODEL: checks the model; prints its doc string, inputs, outputs, and the name,
operator and shapes of the initializers of each node. Needs Debian's python3-onnx."""
import sys

import onnx

model = onnx.load(sys.argv[1])
onnx.checker.check_model(model, full_check=True)
shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
print("doc:", model.doc_string)
print("opset:", model.opset_import[0].version)
for kind, values in ("input", model.graph.input), ("output", model.graph.output):
    for value in values:
        print(kind, value.name, [dim.dim_value for dim in value.type.tensor_type.shape.dim])
for node in model.graph.node:
    print(node.op_type, node.name, *(shapes[name] for name in node.input if name in shapes))
