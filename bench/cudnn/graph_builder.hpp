#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cuda/conv/cudnn_graph.hpp"
#include "cuda/libraries/cudnn.hpp"

namespace s2sam::bench {

/// In cuDNN's order: images, channels, rows, columns. Channels lie innermost in memory.
using Extents = std::array<std::int64_t, 4>;

/// Types of the tensors of a graph. cuDNN's fused engines differ in what they take.
struct Types {
  cudnnDataType_t images;    ///< images and weights
  cudnnDataType_t between;   ///< what one operation of the graph hands to the next and is never in memory
  cudnnDataType_t channels;  ///< scales and biases that are read, one number per channel
};

/// A tensor of a graph.
struct Value {
  std::int64_t number;
  Extents extents;
  cudnnDataType_t type;
};

/// A tensor that whoever runs the graph has to give memory.
struct Operand {
  Value value;
  enum class Role : std::uint8_t { read, written, number } role;  ///< number: one f32 on the host
};

std::int64_t count(const Extents& extents);
/// Of the tensor in memory; of booleans eight lie in a byte.
std::int64_t bytes(const Value& value);

struct Built {
  std::shared_ptr<const cudnn::Graph> graph;
  std::vector<Operand> operands;
  double multiplications;
};

/// Describes a graph operation by operation: a function makes the tensors it writes, or is given them where the caller
/// chooses whether they are in memory. All computes in f32.
class GraphBuilder {
 public:
  GraphBuilder(const cudnn::Api& api, const Types& types) : api_(&api), types_(types) {}

  Value read(const Extents& extents) { return operand(extents, types_.images, Operand::Role::read); }
  Value read(const Extents& extents, cudnnDataType_t type) { return operand(extents, type, Operand::Role::read); }
  Value write(const Extents& extents) { return operand(extents, types_.images, Operand::Role::written); }
  Value write(const Extents& extents, cudnnDataType_t type) { return operand(extents, type, Operand::Role::written); }
  Value between(const Extents& extents) { return between(extents, types_.between); }
  Value between(const Extents& extents, cudnnDataType_t type);
  /// A scale or bias that is read: one number per channel of `like`.
  Value per_channel(const Value& like);
  /// The same in f32, as statistics are.
  Value statistic(const Value& like) { return read({1, like.extents[1], 1, 1}, CUDNN_DATA_FLOAT); }
  Value written_statistic(const Value& like) { return write({1, like.extents[1], 1, 1}, CUDNN_DATA_FLOAT); }
  Value number() { return operand({1, 1, 1, 1}, CUDNN_DATA_FLOAT, Operand::Role::number); }

  /// Whether anything is read that `per_channel` made.
  bool reads_scales() const { return reads_scales_; }

  void convolution(const conv::Problem& problem, const Value& x, const Value& w, const Value& y);
  Value pointwise(cudnnPointwiseMode_t mode, const Value& x) { return pointwise(mode, x, between(x.extents)); }
  Value pointwise(cudnnPointwiseMode_t mode, const Value& x, const Value& y);
  Value binary(cudnnPointwiseMode_t mode, const Value& a, const Value& b) { return binary(mode, a, b, between(a.extents)); }
  Value binary(cudnnPointwiseMode_t mode, const Value& a, const Value& b, const Value& y);
  Value relu_backward(const Value& dy, const Value& x, const Value& dx);
  /// x * scale + bias, per channel.
  Value scaled(const Value& x);
  Value scaled(const Value& x, const Value& y);
  Value relu(const Value& x) { return pointwise(CUDNN_POINTWISE_RELU_FWD, x); }
  /// Sum over all but the channels, in memory; the same in every run only where that is asked for.
  void sum(const Value& x, bool deterministic = false);
  /// Sums and sums of squares over all but the channels, in memory.
  void statistics(const Value& x);

  /// Any other operation: named tensors and numbers are set by the function.
  template <class Set>
  void operation(cudnnBackendDescriptorType_t type, Set&& set) {
    cudnn::Descriptor made(*api_, type);
    set(made);
    made.finalize();
    operations_.push_back(std::move(made));
  }
  void set(cudnn::Descriptor& operation, cudnnBackendAttributeName_t name, const Value& value) const {
    operation.set(name, of(value));
  }

  Built finish();

 private:
  enum class Memory : std::uint8_t { device, none, host };
  Value tensor(const Extents& extents, cudnnDataType_t type, Memory memory);
  Value operand(const Extents& extents, cudnnDataType_t type, Operand::Role role);
  const cudnn::Descriptor& pointwise_descriptor(cudnnPointwiseMode_t mode);
  const cudnn::Descriptor& of(const Value& value) const { return tensors_[static_cast<std::size_t>(value.number - 1)]; }

  const cudnn::Api* api_;
  Types types_;
  std::vector<cudnn::Descriptor> tensors_, helpers_, operations_;
  std::vector<Operand> operands_;
  double multiplications_ = 0;
  bool reads_scales_ = false;
};

}  // namespace s2sam::bench
