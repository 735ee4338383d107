#include "patterns.hpp"

namespace s2sam::bench {

namespace {

/// The convolution of `x`, into memory or not.
Value convolved(GraphBuilder& graph, const Layer& layer, std::int64_t batch, const Value& x, const Value& y) {
  graph.convolution(layer.problem(conv::Pass::forward, batch), x, graph.read(weights_of(layer)), y);
  return y;
}

Value convolved(GraphBuilder& graph, const Layer& layer, std::int64_t batch, const Value& x) {
  return convolved(graph, layer, batch, x, graph.write(output_of(layer, batch)));
}

void plain(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  convolved(graph, layer, batch, graph.read(input_of(layer, batch)));
}

void with_statistics(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  graph.statistics(convolved(graph, layer, batch, graph.read(input_of(layer, batch))));
}

Value normalized(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  return graph.relu(graph.scaled(graph.read(input_of(layer, batch))));
}

void after_relu(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  convolved(graph, layer, batch, normalized(graph, layer, batch));
}

void after_relu_with_statistics(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  graph.statistics(convolved(graph, layer, batch, normalized(graph, layer, batch)));
}

/// The end of a block and the first convolution of the next. The shortcut is an image of the block before or has a normalization of its
/// own; what the ReLU gives goes into `block`.
void after_add(GraphBuilder& graph, const Layer& layer, std::int64_t batch, bool scaled_shortcut, const Value& block) {
  const Extents extents = input_of(layer, batch);
  const Value main = graph.scaled(graph.read(extents));
  const Value shortcut = scaled_shortcut ? graph.scaled(graph.read(extents)) : graph.read(extents);
  const Value sum = graph.binary(CUDNN_POINTWISE_ADD, main, shortcut);
  graph.statistics(convolved(graph, layer, batch, graph.pointwise(CUDNN_POINTWISE_RELU_FWD, sum, block)));
}

void after_single_add(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  after_add(graph, layer, batch, false, graph.write(input_of(layer, batch)));
}

void after_dual_add(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  after_add(graph, layer, batch, true, graph.write(input_of(layer, batch)));
}

void after_unwritten_add(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  after_add(graph, layer, batch, false, graph.between(input_of(layer, batch)));
}

void with_sum(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  graph.sum(convolved(graph, layer, batch, graph.read(input_of(layer, batch))));
}

void with_both_sums(GraphBuilder& graph, const Layer& layer, std::int64_t batch, bool deterministic) {
  const Value y = convolved(graph, layer, batch, graph.read(input_of(layer, batch)));
  graph.sum(y, deterministic);
  graph.sum(graph.binary(CUDNN_POINTWISE_MUL, y, y, graph.between(y.extents, CUDNN_DATA_FLOAT)), deterministic);
}

void with_two_sums(GraphBuilder& graph, const Layer& layer, std::int64_t batch) { with_both_sums(graph, layer, batch, false); }
void with_deterministic_sums(GraphBuilder& graph, const Layer& layer, std::int64_t batch) { with_both_sums(graph, layer, batch, true); }

void after_relu_with_sum(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  graph.sum(convolved(graph, layer, batch, normalized(graph, layer, batch)));
}

/// As in inference, where batch norm is a scale and a bias.
void scaled_with_relu(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Extents extents = output_of(layer, batch);
  const Value y = convolved(graph, layer, batch, graph.read(input_of(layer, batch)), graph.between(extents));
  graph.pointwise(CUDNN_POINTWISE_RELU_FWD, graph.scaled(y), graph.write(extents));
}

/// Handed on in f32, as the engines that are not compiled want it.
void with_bias(GraphBuilder& graph, const Layer& layer, std::int64_t batch) {
  const Extents extents = output_of(layer, batch);
  const Value y = convolved(graph, layer, batch, graph.read(input_of(layer, batch)), graph.between(extents, CUDNN_DATA_FLOAT));
  graph.binary(CUDNN_POINTWISE_ADD, y, graph.per_channel(y), graph.write(extents));
}

}  // namespace

std::vector<Pattern> forward_patterns() {
  return {
      {"forward", "convolution", any_layer, plain},
      {"forward", "convolution, statistics", any_layer, with_statistics},
      {"forward", "scale, bias, ReLU, convolution", is_inner, after_relu},
      {"forward", "scale, bias, ReLU, convolution, statistics", is_inner, after_relu_with_statistics},
      {"forward", "scale, bias, add, ReLU (written), convolution, statistics", is_product, after_single_add},
      {"forward", "two scales and biases, add, ReLU (written), convolution, statistics", is_product, after_dual_add},
      {"forward", "scale, bias, add, ReLU, convolution, statistics", is_product, after_unwritten_add},
      {"forward", "convolution, sum", any_layer, with_sum},
      {"forward", "convolution, sum and sum of squares", any_layer, with_two_sums},
      {"forward", "convolution, sum and sum of squares, deterministic", any_layer, with_deterministic_sums},
      {"forward", "scale, bias, ReLU, convolution, sum", is_inner, after_relu_with_sum},
      {"forward", "convolution, bias", any_layer, with_bias},
      {"forward", "convolution, scale, bias, ReLU", any_layer, scaled_with_relu},
  };
}

}  // namespace s2sam::bench
