#include "patterns.hpp"

namespace s2sam::bench {

namespace {

void weight_gradient(GraphBuilder& graph, const Layer& layer, std::int64_t batch, const Value& x, const Value& dy) {
  const Value dw = graph.write(weights_of(layer));
  graph.convolution(layer.problem(conv::Pass::weight, batch), x, dw, dy);
}

/// A * dy + B * x + C per channel, the gradient of what was normalized.
Value norm_backward(GraphBuilder& graph, const Extents& extents) {
  const Value dy = graph.read(extents), x = graph.read(extents);
  const Value first = graph.binary(CUDNN_POINTWISE_MUL, dy, graph.per_channel(dy));
  return graph.binary(CUDNN_POINTWISE_ADD, first, graph.scaled(x));
}

void weight(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  weight_gradient(graph, layer, batch, graph.read(input_of(layer, batch)), graph.read(output_of(layer, batch)));
}

void weight_in_f32(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Value x = graph.read(input_of(layer, batch)), dy = graph.read(output_of(layer, batch));
  graph.convolution(layer.problem(conv::Pass::weight, batch), x, graph.write(weights_of(layer), CUDNN_DATA_FLOAT), dy);
}

void weight_after_relu(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Value x = graph.relu(graph.scaled(graph.read(input_of(layer, batch))));
  weight_gradient(graph, layer, batch, x, graph.read(output_of(layer, batch)));
}

/// The same without the operation ReLU, which cuDNN gives to an engine for f16 alone.
void weight_after_max(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Value x = graph.binary(CUDNN_POINTWISE_MAX, graph.scaled(graph.read(input_of(layer, batch))), graph.number());
  weight_gradient(graph, layer, batch, x, graph.read(output_of(layer, batch)));
}

void weight_of_norm(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Value dy = norm_backward(graph, output_of(layer, batch));
  weight_gradient(graph, layer, batch, graph.read(input_of(layer, batch)), dy);
}

Value data_gradient(GraphBuilder& graph, const Layer& layer, std::int64_t batch, const Value& dy, const Value& dx) {
  graph.convolution(layer.problem(conv::Pass::data, batch), dx, graph.read(weights_of(layer)), dy);
  return dx;
}

/// Not written, for another operation.
Value data_gradient(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  return data_gradient(graph, layer, batch, graph.read(output_of(layer, batch)), graph.between(input_of(layer, batch)));
}

void data(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  data_gradient(graph, layer, batch, graph.read(output_of(layer, batch)), graph.write(input_of(layer, batch)));
}

void data_of_norm(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  data_gradient(graph, layer, batch, norm_backward(graph, output_of(layer, batch)), graph.write(input_of(layer, batch)));
}

void data_added(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Extents extents = input_of(layer, batch);
  graph.binary(CUDNN_POINTWISE_ADD, data_gradient(graph, layer, batch), graph.read(extents), graph.write(extents));
}

Value masked(GraphBuilder& graph, const Value& gradient) {
  const Value mask = graph.read(gradient.extents, CUDNN_DATA_BOOLEAN);
  return graph.binary(CUDNN_POINTWISE_MUL, gradient, mask, graph.write(gradient.extents));
}

void data_masked(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  masked(graph, data_gradient(graph, layer, batch));
}

void data_added_masked(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Value dx = data_gradient(graph, layer, batch);
  masked(graph, graph.binary(CUDNN_POINTWISE_ADD, dx, graph.read(dx.extents)));
}

void data_relu(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Value dx = data_gradient(graph, layer, batch);
  graph.relu_backward(dx, graph.read(dx.extents), graph.write(dx.extents));
}

void data_relu_sum(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Value dx = data_gradient(graph, layer, batch);
  graph.sum(graph.relu_backward(dx, graph.read(dx.extents), graph.write(dx.extents)));
}

/// What the ReLU saw is computed again, and both sums are taken that batch norm's gradients need.
void data_scaled_relu_both_sums(GraphBuilder& graph, const Layer& layer, std::int64_t batch, bool deterministic) {
  const Value dx = data_gradient(graph, layer, batch);
  const Value x = graph.read(dx.extents);
  const Value gradient = graph.relu_backward(dx, graph.scaled(x), graph.write(dx.extents));
  graph.sum(gradient, deterministic);
  graph.sum(graph.binary(CUDNN_POINTWISE_MUL, gradient, x, graph.between(x.extents, CUDNN_DATA_FLOAT)), deterministic);
}

void data_scaled_relu_two_sums(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  data_scaled_relu_both_sums(graph, layer, batch, false);
}

void data_scaled_relu_deterministic_sums(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  data_scaled_relu_both_sums(graph, layer, batch, true);
}

/// The gradient behind batch norm and ReLU: what the ReLU saw is computed again from the normalization's input, and the sums that
/// batch norm's gradients need are taken.
void data_relu_norm_sums(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Value dx = data_gradient(graph, layer, batch);
  const Value x = graph.read(dx.extents);
  const Value mean = graph.statistic(x), deviation = graph.statistic(x), scale = graph.statistic(x), bias = graph.statistic(x);
  const Value centred = graph.binary(CUDNN_POINTWISE_SUB, x, mean);
  const Value normal = graph.binary(CUDNN_POINTWISE_MUL, centred, deviation);
  const Value scaled = graph.binary(CUDNN_POINTWISE_MUL, normal, scale);
  const Value seen = graph.binary(CUDNN_POINTWISE_ADD, scaled, bias);
  const Value gradient = graph.relu_backward(dx, seen, graph.write(dx.extents));
  const Value outputs[] = {graph.written_statistic(x), graph.written_statistic(x), graph.written_statistic(x),
                           graph.written_statistic(x), graph.written_statistic(x)};
  graph.operation(CUDNN_BACKEND_OPERATION_BN_BWD_WEIGHTS_DESCRIPTOR, [&](cudnn::Descriptor& made) {
    made.set(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_MATH_PREC, CUDNN_DATA_FLOAT);
    graph.set(made, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_MEAN_DESC, mean);
    graph.set(made, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_INVSTD_DESC, deviation);
    graph.set(made, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_BN_SCALE_DESC, scale);
    graph.set(made, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_X_DESC, x);
    graph.set(made, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DY_DESC, gradient);
    graph.set(made, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DBN_SCALE_DESC, outputs[0]);
    graph.set(made, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DBN_BIAS_DESC, outputs[1]);
    graph.set(made, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_DY_SCALE_DESC, outputs[2]);
    graph.set(made, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_X_SCALE_DESC, outputs[3]);
    graph.set(made, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_BIAS, outputs[4]);
  });
}

}  // namespace

std::vector<Pattern> backward_patterns() {
  return {
      {"weight", "weight gradient", any_layer, weight},
      {"weight", "weight gradient in f32", any_layer, weight_in_f32},
      {"weight", "scale, bias, ReLU, weight gradient", is_inner, weight_after_relu},
      {"weight", "scale, bias, maximum with 0, weight gradient", is_inner, weight_after_max},
      {"weight", "A*dy + B*x + C, weight gradient", any_layer, weight_of_norm},
      {"data", "data gradient", is_inner, data},
      {"data", "data gradient, add", is_inner, data_added},
      {"data", "data gradient, mask", is_inner, data_masked},
      {"data", "data gradient, add, mask", is_inner, data_added_masked},
      {"data", "data gradient, dReLU", is_inner, data_relu},
      {"data", "data gradient, dReLU, sum", is_inner, data_relu_sum},
      {"data", "data gradient, dReLU of scale and bias, two sums", is_inner, data_scaled_relu_two_sums},
      {"data", "data gradient, dReLU of scale and bias, two sums, deterministic", is_inner, data_scaled_relu_deterministic_sums},
      {"data", "data gradient, dReLU, batch norm's sums", is_inner, data_relu_norm_sums},
      {"data", "A*dy + B*x + C, data gradient", is_inner, data_of_norm},
  };
}

}  // namespace s2sam::bench
