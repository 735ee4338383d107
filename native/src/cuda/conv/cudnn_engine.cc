#include "cuda/conv/cudnn_engine.hpp"

#include <utility>

#include "cuda/conv/cudnn_graph.hpp"
#include "cuda/conv/pad_channels.hpp"
#include "cuda/conv/weights.hpp"

namespace s2sam::conv {

namespace {

constexpr std::size_t most_workspace = std::size_t{1} << 30;

std::size_t bytes(std::int64_t count, DType dtype) { return static_cast<std::size_t>(count) * size_of(dtype); }

/// The images, with more channels where the graph has them.
void* padded(const Op& op, const Tensor& images, std::int64_t channels) {
  if (channels == images.shape[1]) return images.data;
  void* to = op.scratch(bytes(images.shape.count() / images.shape[1] * channels, images.dtype));
  pad_channels(op, images, channels, to);
  return to;
}

/// One plan and what surrounds it.
class CudnnEngine {
 public:
  CudnnEngine(std::shared_ptr<const cudnn::Device> device, const Problem& problem, const GraphOptions& options,
              std::shared_ptr<const cudnn::Plan> plan)
      : device_(std::move(device)), problem_(problem), options_(options), plan_(std::move(plan)) {}

  void operator()(const Op& op, const Tensors& tensors) const {
    const bool backward = problem_.pass == Pass::data, gradient = problem_.pass == Pass::weight;
    const Packed weights = gradient ? gradient_space(op) : packed(op, tensors.w);
    void* const x = backward ? tensors.x.data : padded(op, tensors.x, options_.channels);
    void* const y = backward || gradient ? padded(op, tensors.y, options_.filters) : tensors.y.data;
    plan_->run(*device_, op.handle(), {{graph_x, x}, {graph_w, weights.data}, {graph_y, y}}, op.scratch(plan_->workspace()));
    if (gradient) unpack_gradient(op, weights, problem_, tensors);
  }

 private:
  Packed space(void* data) const { return {data, options_.weights, options_.filters, options_.channels}; }

  Packed gradient_space(const Op& op) const {
    return space(op.scratch(bytes(options_.filters * options_.channels * problem_.taps(), options_.weights)));
  }

  /// In place where the orders agree.
  Packed packed(const Op& op, const Tensor& w) const {
    const bool grown = options_.channels != problem_.c || options_.filters != problem_.o;
    if (problem_.taps() == 1 && w.dtype == options_.weights && !grown) return space(w.data);
    const Packed result = gradient_space(op);
    pack_weights(op, problem_, w, result);
    return result;
  }

  std::shared_ptr<const cudnn::Device> device_;
  Problem problem_;
  GraphOptions options_;
  std::shared_ptr<const cudnn::Plan> plan_;
};

void add_candidates(const std::shared_ptr<const cudnn::Device>& device, const Problem& problem, const GraphOptions& options,
                    std::vector<Candidate>& into) {
  for (cudnn::EngineConfig& found : exact_engines(*device, problem, options)) {
    const std::string name = "cudnn:c" + std::to_string(options.channels) + "o" + std::to_string(options.filters) + ":" + found.name;
    const auto config = std::make_shared<const cudnn::EngineConfig>(std::move(found));
    into.push_back({name, [=]() -> Engine {
                      auto plan = std::make_shared<const cudnn::Plan>(*device, config);
                      if (plan->workspace() > most_workspace) throw Error(Code::internal, "cuDNN", name + " wants too much memory");
                      return CudnnEngine(device, problem, options, std::move(plan));
                    }});
  }
}

}  // namespace

std::vector<Candidate> cudnn_candidates(const std::shared_ptr<const cudnn::Device>& device, const Problem& problem) {
  std::vector<Candidate> result;
  if (device == nullptr) return result;
  for (const GraphOptions& options : graph_options(problem)) {
    try {
      add_candidates(device, problem, options, result);
    } catch (const Error&) {  // cuDNN knows no such convolution
    }
  }
  return result;
}

}  // namespace s2sam::conv
