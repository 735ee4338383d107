"""Checks an ONNX file with the `onnx` package, shapes inferred, and prints as JSON what it holds. Usage: describe_onnx.py FILE"""

import json
import sys
from collections import Counter

import numpy as np
import onnx
from onnx import numpy_helper


def extents(value):
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def constant(tensor):
    values = numpy_helper.to_array(tensor)
    zeros = (values == 0) & ~np.signbit(values)
    # Positions of the zeros as bits, weight i in bit i % 8 of byte i // 8.
    bits = np.packbits(zeros.reshape(-1), bitorder="little")
    return {"shape": list(values.shape), "type": str(values.dtype), "zeros": bits.tobytes().hex()}


def main(path):
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    graph = model.graph
    print(
        json.dumps(
            {
                "ir": model.ir_version,
                "opset": {entry.domain: entry.version for entry in model.opset_import},
                "producer": model.producer_name,
                "doc": model.doc_string,
                "metadata": {entry.key: entry.value for entry in model.metadata_props},
                "inputs": {value.name: extents(value) for value in graph.input},
                "outputs": {value.name: extents(value) for value in graph.output},
                "ops": Counter(node.op_type for node in graph.node),
                "inferred": {value.name: extents(value) for value in inferred.graph.value_info},
                "initializers": {tensor.name: constant(tensor) for tensor in graph.initializer},
            }
        )
    )


main(sys.argv[1])
