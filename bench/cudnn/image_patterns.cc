#include "patterns.hpp"

namespace s2sam::bench {

namespace {

void statistics(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  graph.statistics(graph.read(output_of(layer, batch)));
}

/// Batch norm in training, with running statistics.
Value normalized(GraphBuilder& graph, const Value& x, const Value& y) {
  const cudnnBackendNormMode_t mode = CUDNN_BATCH_NORM;
  const cudnnBackendNormFwdPhase_t phase = CUDNN_NORM_FWD_TRAINING;
  const Value read[] = {graph.statistic(x), graph.statistic(x), graph.statistic(x), graph.statistic(x)};
  const Value written[] = {graph.written_statistic(x), graph.written_statistic(x), graph.written_statistic(x),
                           graph.written_statistic(x)};
  const Value epsilon = graph.number(), momentum = graph.number();
  graph.operation(CUDNN_BACKEND_OPERATION_NORM_FORWARD_DESCRIPTOR, [&](cudnn::Descriptor& made) {
    made.set(CUDNN_ATTR_OPERATION_NORM_FWD_MODE, CUDNN_TYPE_NORM_MODE, 1, &mode);
    made.set(CUDNN_ATTR_OPERATION_NORM_FWD_PHASE, CUDNN_TYPE_NORM_FWD_PHASE, 1, &phase);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_FWD_XDESC, x);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_FWD_SCALE_DESC, read[0]);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_FWD_BIAS_DESC, read[1]);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_FWD_INPUT_RUNNING_MEAN_DESC, read[2]);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_FWD_INPUT_RUNNING_VAR_DESC, read[3]);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_FWD_MEAN_DESC, written[0]);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_FWD_INV_VARIANCE_DESC, written[1]);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_FWD_OUTPUT_RUNNING_MEAN_DESC, written[2]);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_FWD_OUTPUT_RUNNING_VAR_DESC, written[3]);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_FWD_EPSILON_DESC, epsilon);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_FWD_EXP_AVG_FACTOR_DESC, momentum);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_FWD_YDESC, y);
  });
  return y;
}

void norm(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Extents extents = output_of(layer, batch);
  normalized(graph, graph.read(extents), graph.write(extents));
}

/// ReLU into memory, and one bit of each pixel that says whether it passed.
void relu_with_mask(GraphBuilder& graph, const Value& x) {
  const Value y = graph.pointwise(CUDNN_POINTWISE_RELU_FWD, x, graph.write(x.extents));
  graph.binary(CUDNN_POINTWISE_CMP_GT, y, graph.number(), graph.write(x.extents, CUDNN_DATA_BOOLEAN));
}

void norm_relu(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Extents extents = output_of(layer, batch);
  const Value y = normalized(graph, graph.read(extents), graph.between(extents));
  graph.pointwise(CUDNN_POINTWISE_RELU_FWD, y, graph.write(extents));
}

void norm_relu_mask(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Extents extents = output_of(layer, batch);
  relu_with_mask(graph, normalized(graph, graph.read(extents), graph.between(extents)));
}

void norm_add_relu_mask(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Extents extents = output_of(layer, batch);
  const Value y = normalized(graph, graph.read(extents), graph.between(extents));
  relu_with_mask(graph, graph.binary(CUDNN_POINTWISE_ADD, y, graph.read(extents)));
}

/// The gradients of batch norm behind a ReLU of which the mask was kept; `fork`: the masked gradient is written too, for the shortcut.
void relu_norm_backward(GraphBuilder& graph, const Layer& layer, std::int64_t batch, bool fork) {
  const Extents extents = output_of(layer, batch);
  const Value dy = graph.read(extents), mask = graph.read(extents, CUDNN_DATA_BOOLEAN), x = graph.read(extents);
  const Value gradient = graph.binary(CUDNN_POINTWISE_MUL, dy, mask, fork ? graph.write(extents) : graph.between(extents));
  const Value mean = graph.statistic(x), deviation = graph.statistic(x), scale = graph.statistic(x);
  const Value dscale = graph.written_statistic(x), dbias = graph.written_statistic(x), dx = graph.write(extents);
  const cudnnBackendNormMode_t mode = CUDNN_BATCH_NORM;
  graph.operation(CUDNN_BACKEND_OPERATION_NORM_BACKWARD_DESCRIPTOR, [&](cudnn::Descriptor& made) {
    made.set(CUDNN_ATTR_OPERATION_NORM_BWD_MODE, CUDNN_TYPE_NORM_MODE, 1, &mode);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_BWD_XDESC, x);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_BWD_DYDESC, gradient);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_BWD_MEAN_DESC, mean);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_BWD_INV_VARIANCE_DESC, deviation);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_BWD_SCALE_DESC, scale);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_BWD_DSCALE_DESC, dscale);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_BWD_DBIAS_DESC, dbias);
    graph.set(made, CUDNN_ATTR_OPERATION_NORM_BWD_DXDESC, dx);
  });
}

void norm_backward(GraphBuilder& graph, const Layer& layer, std::int64_t batch) { relu_norm_backward(graph, layer, batch, false); }
void norm_backward_fork(GraphBuilder& graph, const Layer& layer, std::int64_t batch) { relu_norm_backward(graph, layer, batch, true); }

/// A * dy + B * x + C per channel: batch norm's gradient once its sums are known.
void norm_backward_apply(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Extents extents = output_of(layer, batch);
  const Value dy = graph.read(extents), x = graph.read(extents);
  const Value first = graph.binary(CUDNN_POINTWISE_MUL, dy, graph.per_channel(dy));
  graph.binary(CUDNN_POINTWISE_ADD, first, graph.scaled(x), graph.write(extents));
}

/// The end of a block, once its statistics are known.
void apply_add_relu_mask(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Extents extents = output_of(layer, batch);
  relu_with_mask(graph, graph.binary(CUDNN_POINTWISE_ADD, graph.scaled(graph.read(extents)), graph.read(extents)));
}

void apply_add_relu(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Extents extents = output_of(layer, batch);
  const Value sum = graph.binary(CUDNN_POINTWISE_ADD, graph.scaled(graph.read(extents)), graph.read(extents));
  graph.pointwise(CUDNN_POINTWISE_RELU_FWD, sum, graph.write(extents));
}

}  // namespace

std::vector<Pattern> image_patterns() {
  return {
      {"image", "statistics", any_layer, statistics},
      {"image", "batch norm", any_layer, norm},
      {"image", "batch norm, ReLU", any_layer, norm_relu},
      {"image", "batch norm, ReLU and mask", any_layer, norm_relu_mask},
      {"image", "batch norm, add, ReLU and mask", any_layer, norm_add_relu_mask},
      {"image", "mask, batch norm backward", any_layer, norm_backward},
      {"image", "mask (written), batch norm backward", any_layer, norm_backward_fork},
      {"image", "A*dy + B*x + C", any_layer, norm_backward_apply},
      {"image", "scale, bias, add, ReLU", any_layer, apply_add_relu},
      {"image", "scale, bias, add, ReLU and mask", any_layer, apply_add_relu_mask},
  };
}

}  // namespace s2sam::bench
