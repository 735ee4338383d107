#pragma once

#include <cudnn.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "s2sam/error.hpp"
#include "s2sam/tensor.hpp"

/// cuDNN's graph interface: a graph of operations is described, cuDNN names engines for it, and an engine with its
/// settings makes a plan that runs. Every function here throws Error{internal} with cuDNN's own words when cuDNN
/// refuses.
namespace s2sam::cudnn {

/// cuDNN's functions, in the library that use_libraries named.
struct Api {
  decltype(&cudnnGetVersion) version;
  decltype(&cudnnCreate) create;
  decltype(&cudnnDestroy) destroy;
  decltype(&cudnnSetStream) set_stream;
  decltype(&cudnnGetErrorString) error_string;
  decltype(&cudnnGetLastErrorString) last_error_string;
  decltype(&cudnnBackendCreateDescriptor) create_descriptor;
  decltype(&cudnnBackendDestroyDescriptor) destroy_descriptor;
  decltype(&cudnnBackendSetAttribute) set_attribute;
  decltype(&cudnnBackendGetAttribute) get_attribute;
  decltype(&cudnnBackendFinalize) finalize;
  decltype(&cudnnBackendExecute) execute;

  /// Null where there is no cuDNN, or one that is too old (before 9.8).
  static const Api* find();
  /// Throws unless the call succeeded.
  void check(cudnnStatus_t status, const char* call) const;
};

cudnnDataType_t data_type(DType dtype);

/// A descriptor of cuDNN's: attributes are set, it is finalized, and then it may be part of others.
class Descriptor {
 public:
  Descriptor(const Api& api, cudnnBackendDescriptorType_t type);

  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count, const void* values);
  void set(cudnnBackendAttributeName_t name, const Descriptor& value);
  void set(cudnnBackendAttributeName_t name, const std::vector<const Descriptor*>& values);
  void set(cudnnBackendAttributeName_t name, std::int64_t value) { set(name, CUDNN_TYPE_INT64, 1, &value); }
  void set(cudnnBackendAttributeName_t name, bool value) { set(name, CUDNN_TYPE_BOOLEAN, 1, &value); }
  void set(cudnnBackendAttributeName_t name, float value) { set(name, CUDNN_TYPE_FLOAT, 1, &value); }
  void set(cudnnBackendAttributeName_t name, void* value) { set(name, CUDNN_TYPE_VOID_PTR, 1, &value); }
  void set(cudnnBackendAttributeName_t name, cudnnDataType_t value) { set(name, CUDNN_TYPE_DATA_TYPE, 1, &value); }
  void set(cudnnBackendAttributeName_t name, cudnnPointwiseMode_t value) { set(name, CUDNN_TYPE_POINTWISE_MODE, 1, &value); }
  void set(cudnnBackendAttributeName_t name, cudnnBackendHeurMode_t value) { set(name, CUDNN_TYPE_HEUR_MODE, 1, &value); }
  void set(cudnnBackendAttributeName_t name, cudnnConvolutionMode_t value) { set(name, CUDNN_TYPE_CONVOLUTION_MODE, 1, &value); }
  void set(cudnnBackendAttributeName_t name, const std::vector<std::int64_t>& values) {
    set(name, CUDNN_TYPE_INT64, static_cast<std::int64_t>(values.size()), values.data());
  }
  void finalize();

  std::int64_t number(cudnnBackendAttributeName_t name) const;
  /// As many as there are.
  template <class T>
  std::vector<T> list(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
    std::vector<T> values(static_cast<std::size_t>(count(name, type)));
    values.resize(static_cast<std::size_t>(get(name, type, static_cast<std::int64_t>(values.size()), values.data())));
    return values;
  }
  /// At most so many parts of a kind.
  std::vector<Descriptor> parts(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type, std::int64_t most) const;

  cudnnBackendDescriptor_t get() const { return descriptor_.get(); }

 private:
  struct Deleter {
    const Api* api;
    void operator()(cudnnBackendDescriptor_t descriptor) const noexcept { api->destroy_descriptor(descriptor); }
  };

  std::int64_t count(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const;
  std::int64_t get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t most, void* values) const;

  const Api* api_;
  std::unique_ptr<std::remove_pointer_t<cudnnBackendDescriptor_t>, Deleter> descriptor_;
};

/// What plans are made for and run with.
class Device {
 public:
  /// The current GPU. For one thread.
  explicit Device(const Api& api);
  /// A GPU that is described in cuDNN's JSON form and need not be there: plans are made for it, but do not run.
  Device(const Api& api, const std::string& json);

  const Api& api() const { return *api_; }
  const Descriptor& properties() const { return properties_; }
  /// cuDNN's handle, working on `stream`.
  cudnnHandle_t on(cudaStream_t stream) const;

 private:
  struct Deleter {
    const Api* api;
    void operator()(cudnnHandle_t handle) const noexcept { api->destroy(handle); }
  };

  const Api* api_;
  std::unique_ptr<std::remove_pointer_t<cudnnHandle_t>, Deleter> handle_;
  Descriptor properties_;
};

/// Operations and all that they are made of.
struct Graph {
  std::vector<Descriptor> parts;
  Descriptor graph;
};

/// An engine with its settings.
struct EngineConfig {
  std::shared_ptr<const Graph> graph;
  Descriptor config;
  std::string name;  ///< "engine(setting=value,...)", the same in every process
  std::vector<cudnnBackendNumericalNote_t> notes;

  bool has(cudnnBackendNumericalNote_t note) const;
};

/// What cuDNN recommends for a graph, best guess first: in one mode, or in mode A and then what is there without a guess.
std::vector<EngineConfig> recommended(const Device& device, const std::shared_ptr<const Graph>& graph,
                                      cudnnBackendHeurMode_t mode);
std::vector<EngineConfig> recommended(const Device& device, const std::shared_ptr<const Graph>& graph);

/// A pointer for each tensor of a graph, by its number.
using Pointers = std::vector<std::pair<std::int64_t, void*>>;

/// An engine made ready.
class Plan {
 public:
  Plan(const Device& device, std::shared_ptr<const EngineConfig> config);

  std::size_t workspace() const { return workspace_; }
  void run(const Device& device, cudaStream_t stream, const Pointers& pointers, void* workspace) const;

 private:
  std::shared_ptr<const EngineConfig> config_;
  Descriptor plan_;
  std::size_t workspace_;
};

}  // namespace s2sam::cudnn
