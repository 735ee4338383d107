#pragma once

#include "cuda/conv/problem.hpp"
#include "cuda/libraries/cudnn.hpp"

namespace s2sam::conv {

/// Numbers of the tensors of a graph.
enum : std::int64_t { graph_x = 1, graph_w, graph_y };

/// A problem as cuDNN sees it: channels may have been added to x and filters to y, all zeros, and the gradient of the
/// weights has a type of its own.
struct GraphOptions {
  std::int64_t channels, filters;
  DType weights;
};

/// Ways to see the problem that are worth trying.
std::vector<GraphOptions> graph_options(const Problem& problem);

/// Strides and padding.
cudnn::Descriptor convolution_descriptor(const cudnn::Api& api, const Problem& problem);

/// What an operation is made of: tensors, of which its pass writes one, and strides and padding. They must outlive it.
struct ConvolutionParts {
  const cudnn::Descriptor &x, &w, &y, &convolution;
};
cudnn::Descriptor convolution_operation(const cudnn::Api& api, const Problem& problem, const ConvolutionParts& parts);

/// The graph of one convolution, images [N,H,W,C] and weights [O,kH,kW,C], computing in f32. Accumulating into y and dx
/// is part of it; dw is not accumulated.
std::shared_ptr<const cudnn::Graph> convolution_graph(const cudnn::Api& api, const Problem& problem, const GraphOptions& options);

/// The engines cuDNN recommends for the graph, without those whose results vary or that round where it is not promised:
/// sums in less than f32, products by way of Fourier's or Winograd's transform, and, for f32, tensor cores, which would
/// round to TF32.
std::vector<cudnn::EngineConfig> exact_engines(const cudnn::Device& device, const Problem& problem, const GraphOptions& options);

}  // namespace s2sam::conv
