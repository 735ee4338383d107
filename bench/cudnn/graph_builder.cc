#include "graph_builder.hpp"

#include <utility>

namespace s2sam::bench {

using cudnn::Descriptor;

std::int64_t count(const Extents& extents) { return extents[0] * extents[1] * extents[2] * extents[3]; }

std::int64_t bytes(const Value& value) {
  const std::int64_t elements = count(value.extents);
  switch (value.type) {
    case CUDNN_DATA_BOOLEAN: return (elements + 7) / 8;
    case CUDNN_DATA_HALF:
    case CUDNN_DATA_BFLOAT16: return 2 * elements;
    default: return 4 * elements;
  }
}

Value GraphBuilder::tensor(const Extents& extents, cudnnDataType_t type, Memory memory) {
  const auto& [images, channels, rows, columns] = extents;
  const auto number = static_cast<std::int64_t>(tensors_.size()) + 1;
  Descriptor made(*api_, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  made.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, number);
  made.set(CUDNN_ATTR_TENSOR_DATA_TYPE, type);
  made.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, std::int64_t{16});
  made.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::vector{images, channels, rows, columns});
  made.set(CUDNN_ATTR_TENSOR_STRIDES, std::vector{rows * columns * channels, std::int64_t{1}, columns * channels, channels});
  made.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, memory == Memory::none);
  made.set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, memory == Memory::host);
  made.finalize();
  tensors_.push_back(std::move(made));
  return {number, extents, type};
}

Value GraphBuilder::between(const Extents& extents, cudnnDataType_t type) { return tensor(extents, type, Memory::none); }

Value GraphBuilder::operand(const Extents& extents, cudnnDataType_t type, Operand::Role role) {
  const Value value = tensor(extents, type, role == Operand::Role::number ? Memory::host : Memory::device);
  operands_.push_back({value, role});
  return value;
}

Value GraphBuilder::per_channel(const Value& like) {
  reads_scales_ = true;
  return read({1, like.extents[1], 1, 1}, types_.channels);
}

void GraphBuilder::convolution(const conv::Problem& problem, const Value& x, const Value& w, const Value& y) {
  helpers_.push_back(conv::convolution_descriptor(*api_, problem));
  operations_.push_back(conv::convolution_operation(*api_, problem, {of(x), of(w), of(y), helpers_.back()}));
  multiplications_ += static_cast<double>(problem.pixels_out() * problem.o * problem.c * problem.taps());
}

const Descriptor& GraphBuilder::pointwise_descriptor(cudnnPointwiseMode_t mode) {
  Descriptor made(*api_, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  made.set(CUDNN_ATTR_POINTWISE_MODE, mode);
  made.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
  made.finalize();
  helpers_.push_back(std::move(made));
  return helpers_.back();
}

Value GraphBuilder::pointwise(cudnnPointwiseMode_t mode, const Value& x, const Value& y) {
  operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, [&](Descriptor& made) {
    made.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, pointwise_descriptor(mode));
    made.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, of(x));
    made.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, of(y));
  });
  return y;
}

Value GraphBuilder::binary(cudnnPointwiseMode_t mode, const Value& a, const Value& b, const Value& y) {
  operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, [&](Descriptor& made) {
    made.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, pointwise_descriptor(mode));
    made.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, of(a));
    made.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, of(b));
    made.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, of(y));
  });
  return y;
}

Value GraphBuilder::relu_backward(const Value& dy, const Value& x, const Value& dx) {
  operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, [&](Descriptor& made) {
    made.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, pointwise_descriptor(CUDNN_POINTWISE_RELU_BWD));
    made.set(CUDNN_ATTR_OPERATION_POINTWISE_DYDESC, of(dy));
    made.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, of(x));
    made.set(CUDNN_ATTR_OPERATION_POINTWISE_DXDESC, of(dx));
  });
  return dx;
}

Value GraphBuilder::scaled(const Value& x) { return scaled(x, between(x.extents)); }

Value GraphBuilder::scaled(const Value& x, const Value& y) {
  const Value product = binary(CUDNN_POINTWISE_MUL, x, per_channel(x));
  return binary(CUDNN_POINTWISE_ADD, product, per_channel(x), y);
}

void GraphBuilder::sum(const Value& x, bool deterministic) {
  Descriptor reduction(*api_, CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
  const cudnnReduceTensorOp_t add = CUDNN_REDUCE_TENSOR_ADD;
  reduction.set(CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1, &add);
  reduction.set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  reduction.set(CUDNN_ATTR_REDUCTION_IS_DETERMINISTIC, deterministic);
  reduction.finalize();
  helpers_.push_back(std::move(reduction));
  const Value result = written_statistic(x);
  operation(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR, [&](Descriptor& made) {
    made.set(CUDNN_ATTR_OPERATION_REDUCTION_DESC, helpers_.back());
    made.set(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, of(x));
    made.set(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, of(result));
  });
}

void GraphBuilder::statistics(const Value& x) {
  const Value sums = written_statistic(x), squares = written_statistic(x);
  const cudnnGenStatsMode_t mode = CUDNN_GENSTATS_SUM_SQSUM;
  operation(CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR, [&](Descriptor& made) {
    made.set(CUDNN_ATTR_OPERATION_GENSTATS_MODE, CUDNN_TYPE_GENSTATS_MODE, 1, &mode);
    made.set(CUDNN_ATTR_OPERATION_GENSTATS_MATH_PREC, CUDNN_DATA_FLOAT);
    made.set(CUDNN_ATTR_OPERATION_GENSTATS_XDESC, of(x));
    made.set(CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC, of(sums));
    made.set(CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC, of(squares));
  });
}

Built GraphBuilder::finish() {
  std::vector<const Descriptor*> operations;
  for (const Descriptor& one : operations_) operations.push_back(&one);
  Descriptor graph(*api_, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operations);
  graph.finalize();
  std::vector<Descriptor> parts = std::move(tensors_);
  for (auto* more : {&helpers_, &operations_}) {
    for (Descriptor& one : *more) parts.push_back(std::move(one));
  }
  return {std::make_shared<const cudnn::Graph>(cudnn::Graph{std::move(parts), std::move(graph)}), std::move(operands_),
          multiplications_};
}

}  // namespace s2sam::bench
