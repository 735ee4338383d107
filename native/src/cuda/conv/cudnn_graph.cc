#include "cuda/conv/cudnn_graph.hpp"

#include <array>
#include <utility>

namespace s2sam::conv {

namespace {

using cudnn::Descriptor;

/// A tensor with extents [a, channels, rows, columns] in cuDNN's order, channels innermost in memory.
Descriptor tensor(const cudnn::Api& api, std::int64_t number, DType dtype, std::array<std::int64_t, 4> extents) {
  const auto& [count, channels, rows, columns] = extents;
  constexpr std::int64_t alignment = 16;
  Descriptor result(api, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  result.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, number);
  result.set(CUDNN_ATTR_TENSOR_DATA_TYPE, cudnn::data_type(dtype));
  result.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, alignment);
  result.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::vector{count, channels, rows, columns});
  result.set(CUDNN_ATTR_TENSOR_STRIDES, std::vector{rows * columns * channels, std::int64_t{1}, columns * channels, channels});
  result.finalize();
  return result;
}

/// What the three operations call the same things.
struct Names {
  cudnnBackendDescriptorType_t operation;
  cudnnBackendAttributeName_t x, w, y, convolution, alpha, beta;
};

Names names_of(Pass pass) {
  switch (pass) {
    case Pass::forward: break;
    case Pass::data:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case Pass::weight:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
}

std::int64_t rounded_up(std::int64_t count, std::int64_t to) { return (count + to - 1) / to * to; }

bool is_exact(const cudnn::EngineConfig& config, DType images) {
  for (const auto note : {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION,
                          CUDNN_NUMERICAL_NOTE_FFT, CUDNN_NUMERICAL_NOTE_WINOGRAD}) {
    if (config.has(note)) return false;
  }
  return is_half(images) ||
         (!config.has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE) && !config.has(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS));
}

}  // namespace

Descriptor convolution_descriptor(const cudnn::Api& api, const Problem& p) {
  const std::vector<std::int64_t> pads{p.pad_h, p.pad_w}, strides{p.stride_h, p.stride_w}, dilations{1, 1};
  Descriptor result(api, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  result.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  result.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION);
  result.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2});
  result.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, pads);
  result.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, pads);
  result.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, strides);
  result.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, dilations);
  result.finalize();
  return result;
}

Descriptor convolution_operation(const cudnn::Api& api, const Problem& p, const ConvolutionParts& parts) {
  const Names names = names_of(p.pass);
  Descriptor result(api, names.operation);
  result.set(names.x, parts.x);
  result.set(names.w, parts.w);
  result.set(names.y, parts.y);
  result.set(names.convolution, parts.convolution);
  result.set(names.alpha, 1.0F);
  result.set(names.beta, p.accumulate && p.pass != Pass::weight ? 1.0F : 0.0F);
  result.finalize();
  return result;
}

/// What a pass reads may grow, what it writes may not, but for the gradient of the weights, which is unpacked anyway.
std::vector<GraphOptions> graph_options(const Problem& p) {
  constexpr std::int64_t few = 4, aligned = 8;
  const bool grows = is_half(p.images);
  const std::int64_t filters = grows && p.pass != Pass::forward ? rounded_up(p.o, aligned) : p.o;
  const std::int64_t channels = grows && p.pass != Pass::data ? rounded_up(p.c, aligned) : p.c;
  std::vector<GraphOptions> result{{channels, filters, p.images}};
  if (channels != p.c && p.c <= few) result.insert(result.begin(), {few, filters, p.images});
  return result;
}

std::shared_ptr<const cudnn::Graph> convolution_graph(const cudnn::Api& api, const Problem& p, const GraphOptions& options) {
  std::vector<Descriptor> parts;
  parts.push_back(tensor(api, graph_x, p.images, {p.n, options.channels, p.h, p.w}));
  parts.push_back(tensor(api, graph_w, options.weights, {options.filters, options.channels, p.kernel_h, p.kernel_w}));
  parts.push_back(tensor(api, graph_y, p.images, {p.n, options.filters, p.out_h, p.out_w}));
  parts.push_back(convolution_descriptor(api, p));

  parts.push_back(convolution_operation(api, p, {parts[0], parts[1], parts[2], parts[3]}));

  Descriptor graph(api, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, parts.back());
  graph.finalize();
  return std::make_shared<const cudnn::Graph>(cudnn::Graph{std::move(parts), std::move(graph)});
}

std::vector<cudnn::EngineConfig> exact_engines(const cudnn::Device& device, const Problem& problem, const GraphOptions& options) {
  constexpr std::size_t most = 6;  // best guess first; at its first use a problem waits for each to be compiled and tried
  std::vector<cudnn::EngineConfig> result;
  for (cudnn::EngineConfig& config : cudnn::recommended(device, convolution_graph(device.api(), problem, options))) {
    if (result.size() < most && is_exact(config, problem.images)) result.push_back(std::move(config));
  }
  return result;
}

}  // namespace s2sam::conv
