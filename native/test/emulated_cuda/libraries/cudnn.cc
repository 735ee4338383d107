// cuDNN's graph interface, as far as the backend uses it, on host memory: graphs of one convolution. Its heuristics
// recommend engines that must not be taken (their results are NaN) before one that is right.

#include <cudnn.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "numbers.hpp"
#include "runtime.hpp"

namespace {

/// Attributes of a descriptor. Other descriptors in it are shared, as in the real library: theirs may be destroyed.
struct Node {
  struct Attribute {
    cudnnBackendAttributeType_t type;
    std::int64_t count;
    std::vector<std::byte> bytes;
    std::vector<std::shared_ptr<const Node>> nodes;
  };

  cudnnBackendDescriptorType_t type;
  bool finalized = false;
  std::map<cudnnBackendAttributeName_t, Attribute> attributes = {};

  bool has(cudnnBackendAttributeName_t name) const { return attributes.count(name) != 0; }
  template <class T>
  T value(cudnnBackendAttributeName_t name, std::size_t i = 0) const {
    T result;
    std::memcpy(&result, attributes.at(name).bytes.data() + i * sizeof(T), sizeof(T));
    return result;
  }
  std::vector<std::int64_t> numbers(cudnnBackendAttributeName_t name) const {
    std::vector<std::int64_t> result;
    for (std::int64_t i = 0; i < attributes.at(name).count; ++i) {
      result.push_back(value<std::int64_t>(name, static_cast<std::size_t>(i)));
    }
    return result;
  }
  const Node& node(cudnnBackendAttributeName_t name) const { return *attributes.at(name).nodes.at(0); }
};

struct Descriptor {
  std::shared_ptr<Node> node;
};

Node& node_of(cudnnBackendDescriptor_t descriptor) { return *static_cast<Descriptor*>(descriptor)->node; }

std::size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_BOOLEAN: return sizeof(bool);
    case CUDNN_TYPE_CHAR: return 1;
    case CUDNN_TYPE_FLOAT:
    case CUDNN_TYPE_INT32: return 4;
    case CUDNN_TYPE_DATA_TYPE:
    case CUDNN_TYPE_CONVOLUTION_MODE:
    case CUDNN_TYPE_HEUR_MODE: return sizeof(cudnnDataType_t);
    default: return 8;
  }
}

// ---- engines
// ------------------------------------------------------------------------------------------------------------

enum Index : std::int64_t { right, random_order, tensor_core, unplannable, greedy };

struct Engine {
  Index index;
  std::vector<cudnnBackendNumericalNote_t> notes;
};

const std::vector<Engine>& engines() {
  static const std::vector<Engine> list{{random_order, {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}},
                                        {unplannable, {}},
                                        {greedy, {}},
                                        {tensor_core, {CUDNN_NUMERICAL_NOTE_TENSOR_CORE}},
                                        {right, {}}};
  return list;
}

constexpr std::int64_t right_workspace = 1000;

/// What the three operations call the same things.
struct Names {
  cudnnBackendDescriptorType_t operation;
  cudnnBackendAttributeName_t x, w, y, convolution, alpha, beta;
};

constexpr std::array<Names, 3> names{
    {{CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
     {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
     {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}}};

const Names* names_of(cudnnBackendDescriptorType_t operation) {
  const auto* found = std::find_if(names.begin(), names.end(), [&](const Names& one) { return one.operation == operation; });
  return found != names.end() ? found : nullptr;
}

emulated::Type type_of(cudnnDataType_t type) {
  return type == CUDNN_DATA_HALF       ? emulated::Type::f16
         : type == CUDNN_DATA_BFLOAT16 ? emulated::Type::bf16
                                       : emulated::Type::f32;
}

using Place = std::array<std::int64_t, 4>;

Place place(const std::vector<std::int64_t>& numbers) { return {numbers.at(0), numbers.at(1), numbers.at(2), numbers.at(3)}; }

struct Array {
  emulated::Type type;
  Place extents, strides;
  void* data;
  std::vector<float> values;

  Array(const Node& node, const std::map<std::int64_t, void*>& pointers)
      : type(type_of(node.value<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE))),
        extents(place(node.numbers(CUDNN_ATTR_TENSOR_DIMENSIONS))),
        strides(place(node.numbers(CUDNN_ATTR_TENSOR_STRIDES))),
        data(pointers.at(node.value<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID))) {
    for (std::ptrdiff_t i = 0; i < count(); ++i) values.push_back(emulated::load(type, data, i));
  }

  std::ptrdiff_t offset(const Place& at) const {
    std::ptrdiff_t result = 0;
    for (std::size_t i = 0; i < 4; ++i) result += at[i] * strides[i];
    return result;
  }
  float at(const Place& place) const { return values[static_cast<std::size_t>(offset(place))]; }
  std::int64_t count() const { return extents[0] * extents[1] * extents[2] * extents[3]; }
};

/// Calls body(x, w, y) with the places of all triples that belong together.
template <class Body>
void each_product(const Array& x, const Array& w, const Array& y, const std::vector<std::int64_t>& strides,
                  const std::vector<std::int64_t>& pads, const Body& body) {
  for (std::int64_t n = 0; n < y.extents[0]; ++n)
    for (std::int64_t o = 0; o < y.extents[1]; ++o)
      for (std::int64_t h = 0; h < y.extents[2]; ++h)
        for (std::int64_t v = 0; v < y.extents[3]; ++v)
          for (std::int64_t c = 0; c < w.extents[1]; ++c)
            for (std::int64_t r = 0; r < w.extents[2]; ++r)
              for (std::int64_t s = 0; s < w.extents[3]; ++s) {
                const std::int64_t row = h * strides[0] - pads[0] + r, column = v * strides[1] - pads[1] + s;
                if (row < 0 || row >= x.extents[2] || column < 0 || column >= x.extents[3]) continue;
                body(Place{n, c, row, column}, Place{o, c, r, s}, Place{n, o, h, v});
              }
}

void convolve(const Node& operation, const std::map<std::int64_t, void*>& pointers, bool wrong) {
  const Names& name = *names_of(operation.type);
  const Array x(operation.node(name.x), pointers), w(operation.node(name.w), pointers), y(operation.node(name.y), pointers);
  const Array& to = operation.type == names[0].operation ? y : operation.type == names[1].operation ? x : w;
  const Node& convolution = operation.node(name.convolution);
  std::vector<float> sum(static_cast<std::size_t>(to.count()), 0.0F);
  each_product(x, w, y, convolution.numbers(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES),
               convolution.numbers(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS), [&](const Place& at_x, const Place& at_w, const Place& at_y) {
                 if (&to == &y) sum[static_cast<std::size_t>(y.offset(at_y))] += x.at(at_x) * w.at(at_w);
                 if (&to == &x) sum[static_cast<std::size_t>(x.offset(at_x))] += y.at(at_y) * w.at(at_w);
                 if (&to == &w) sum[static_cast<std::size_t>(w.offset(at_w))] += y.at(at_y) * x.at(at_x);
               });
  const float alpha = operation.value<float>(name.alpha), beta = operation.value<float>(name.beta);
  for (std::ptrdiff_t i = 0; i < to.count(); ++i) {
    const float before = beta == 0 ? 0 : beta * to.values[static_cast<std::size_t>(i)];
    emulated::store(to.type, to.data, i, wrong ? NAN : alpha * sum[static_cast<std::size_t>(i)] + before);
  }
}

// ---- descriptors
// --------------------------------------------------------------------------------------------------------

/// Attributes that a descriptor must have.
std::vector<cudnnBackendAttributeName_t> needed(cudnnBackendDescriptorType_t type) {
  switch (type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
      return {CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT,
              CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_ATTR_TENSOR_STRIDES};
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
      return {CUDNN_ATTR_CONVOLUTION_COMP_TYPE,    CUDNN_ATTR_CONVOLUTION_CONV_MODE,     CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS,
              CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES,
              CUDNN_ATTR_CONVOLUTION_DILATIONS};
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR: return {CUDNN_ATTR_OPERATIONGRAPH_OPS};
    case CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR: return {CUDNN_ATTR_DEVICEPROP_HANDLE};
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
      return {CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP};
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
      return {CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP};
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
      return {CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_ATTR_VARIANT_PACK_WORKSPACE};
    default: break;
  }
  if (const Names* name = names_of(type)) return {name->x, name->w, name->y, name->convolution, name->alpha, name->beta};
  return {};
}

/// Fills the caller's descriptor with a node.
void fill(cudnnBackendDescriptor_t into, std::shared_ptr<Node> node) {
  node->finalized = true;
  static_cast<Descriptor*>(into)->node = std::move(node);
}

void put(Node& node, cudnnBackendAttributeName_t name, std::int64_t value) {
  Node::Attribute& attribute = node.attributes[name];
  attribute = {CUDNN_TYPE_INT64, 1, std::vector<std::byte>(sizeof value), {}};
  std::memcpy(attribute.bytes.data(), &value, sizeof value);
}

const Engine& engine_of(const Node& config) {
  const auto index = config.value<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
  return *std::find_if(engines().begin(), engines().end(), [&](const Engine& one) { return one.index == index; });
}

/// The results of heuristics: nothing in the second mode, so that the first's do not come twice.
std::int64_t recommend(const Node& heuristics, std::int64_t most, cudnnBackendDescriptor_t* into) {
  if (heuristics.value<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE) != CUDNN_HEUR_MODE_A) return 0;
  const auto count = std::min(most, static_cast<std::int64_t>(engines().size()));
  for (std::int64_t i = 0; i < count; ++i) {
    auto config = std::make_shared<Node>(Node{CUDNN_BACKEND_ENGINECFG_DESCRIPTOR});
    put(*config, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, engines()[static_cast<std::size_t>(i)].index);
    config->attributes[CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH] = heuristics.attributes.at(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    fill(into[i], std::move(config));
  }
  return count;
}

std::int64_t workspace_of(const Node& plan) {
  return engine_of(plan.node(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)).index == greedy ? std::int64_t{1} << 40 : right_workspace;
}

}  // namespace

struct cudnnContext {
  cudaStream_t stream = nullptr;
};

extern "C" {

std::size_t cudnnGetVersion() { return 92400; }
const char* cudnnGetErrorString(cudnnStatus_t) { return "an error of the emulated cuDNN"; }
void cudnnGetLastErrorString(char* message, std::size_t size) {
  if (size > 0) *message = '\0';
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  *handle = std::make_unique<cudnnContext>().release();
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  const std::unique_ptr<cudnnContext> ended(handle);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* descriptor) {
  *descriptor = std::make_unique<Descriptor>(Descriptor{std::make_shared<Node>(Node{type})}).release();
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  const std::unique_ptr<Descriptor> ended(static_cast<Descriptor*>(descriptor));
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, std::int64_t count, const void* values) {
  Node& node = node_of(descriptor);
  if (node.finalized) return CUDNN_STATUS_BAD_PARAM;
  Node::Attribute attribute{type, count, {}, {}};
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    for (std::int64_t i = 0; i < count; ++i) {
      attribute.nodes.push_back(static_cast<Descriptor*>(static_cast<const cudnnBackendDescriptor_t*>(values)[i])->node);
      if (!attribute.nodes.back()->finalized) return CUDNN_STATUS_BAD_PARAM;
    }
  } else {
    const auto* bytes = static_cast<const std::byte*>(values);
    attribute.bytes.assign(bytes, bytes + static_cast<std::size_t>(count) * size_of(type));
  }
  node.attributes[name] = std::move(attribute);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  Node& node = node_of(descriptor);
  for (const auto name : needed(node.type)) {
    if (!node.has(name)) return CUDNN_STATUS_BAD_PARAM;
  }
  if (node.type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR &&
      engine_of(node.node(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)).index == unplannable) {
    return CUDNN_STATUS_NOT_SUPPORTED;
  }
  node.finalized = true;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t, std::int64_t most, std::int64_t* count, void* values) {
  const Node& node = node_of(descriptor);
  if (!node.finalized) return CUDNN_STATUS_BAD_PARAM;
  auto* const into = static_cast<cudnnBackendDescriptor_t*>(values);
  switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS: *count = recommend(node, most, into); return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINECFG_ENGINE:
      fill(into[0], std::make_shared<Node>(node));
      *count = 1;
      return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINECFG_KNOB_CHOICES: *count = 0; return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE: {
      const auto& notes = engine_of(node).notes;
      std::copy_n(notes.begin(), std::min<std::size_t>(notes.size(), static_cast<std::size_t>(most)),
                  static_cast<cudnnBackendNumericalNote_t*>(values));
      *count = static_cast<std::int64_t>(notes.size());
      return CUDNN_STATUS_SUCCESS;
    }
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE: {
      const auto value = name == CUDNN_ATTR_ENGINE_GLOBAL_INDEX ? std::int64_t{engine_of(node).index} : workspace_of(node);
      std::memcpy(values, &value, sizeof value);
      *count = 1;
      return CUDNN_STATUS_SUCCESS;
    }
    default: return CUDNN_STATUS_NOT_SUPPORTED;
  }
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t variant) {
  const char* wanted = std::getenv("S2SAM_EMULATED_CUDNN");
  if (wanted != nullptr && std::string_view(wanted) == "fails") return CUDNN_STATUS_EXECUTION_FAILED;
  const Node& pack = node_of(variant);
  const auto ids = pack.numbers(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  std::map<std::int64_t, void*> pointers;
  for (std::size_t i = 0; i < ids.size(); ++i) pointers[ids[i]] = pack.value<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, i);
  for (const auto& [id, pointer] : pointers) {
    if (reinterpret_cast<std::uintptr_t>(pointer) % 16 != 0) return CUDNN_STATUS_BAD_PARAM;
  }
  const Node& config = node_of(plan).node(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  const Index index = engine_of(config).index;
  const auto graph = config.attributes.at(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH).nodes.at(0);
  void* const workspace = pack.value<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
  emulated::enqueue(handle->stream, [=] {
    std::memset(workspace, 0xA5, right_workspace);  // what lies there must be nobody else's
    const Node& operation = graph->node(CUDNN_ATTR_OPERATIONGRAPH_OPS);
    const Names& name = *names_of(operation.type);
    const bool is_f32 = operation.node(name.x).value<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE) == CUDNN_DATA_FLOAT;
    convolve(operation, pointers, index == random_order || index == greedy || (index == tensor_core && is_f32));
  });
  return CUDNN_STATUS_SUCCESS;
}

}  // extern "C"
