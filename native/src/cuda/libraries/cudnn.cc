#include "cuda/libraries/cudnn.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "cuda/libraries/library.hpp"

namespace s2sam::cudnn {

namespace {

constexpr std::size_t oldest = 90800;  // the first to make plans from a description of the device

/// Whether every function is there.
bool resolve(const Library& library, Api& api) {
  const auto get = [&library](auto& function, const char* name) {
    function = library.symbol<std::remove_reference_t<decltype(function)>>(name);
    return function != nullptr;
  };
  return get(api.version, "cudnnGetVersion") && get(api.create, "cudnnCreate") && get(api.destroy, "cudnnDestroy") &&
         get(api.set_stream, "cudnnSetStream") && get(api.error_string, "cudnnGetErrorString") &&
         get(api.last_error_string, "cudnnGetLastErrorString") &&
         get(api.create_descriptor, "cudnnBackendCreateDescriptor") &&
         get(api.destroy_descriptor, "cudnnBackendDestroyDescriptor") &&
         get(api.set_attribute, "cudnnBackendSetAttribute") && get(api.get_attribute, "cudnnBackendGetAttribute") &&
         get(api.finalize, "cudnnBackendFinalize") && get(api.execute, "cudnnBackendExecute");
}

std::optional<Api> load() {
  const Library* library = Library::find("cudnn");
  Api api{};
  if (library == nullptr || !resolve(*library, api) || api.version() < oldest) return {};
  return api;
}

}  // namespace

const Api* Api::find() {
  static const std::optional<Api> api = load();
  return api ? &*api : nullptr;
}

void Api::check(cudnnStatus_t status, const char* call) const {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::array<char, 1024> why{};
  last_error_string(why.data(), why.size());
  throw Error(Code::internal, "cuDNN", std::string(call) + " says " + error_string(status) + " (" + why.data() + ")");
}

cudnnDataType_t data_type(DType dtype) {
  switch (dtype) {
    case DType::f32: return CUDNN_DATA_FLOAT;
    case DType::f16: return CUDNN_DATA_HALF;
    case DType::bf16: return CUDNN_DATA_BFLOAT16;
    default: throw Error(Code::internal, "cuDNN", std::string("no convolution has images of ") + name_of(dtype));
  }
}

Descriptor::Descriptor(const Api& api, cudnnBackendDescriptorType_t type) : api_(&api), descriptor_(nullptr, Deleter{&api}) {
  cudnnBackendDescriptor_t made = nullptr;
  api.check(api.create_descriptor(type, &made), "cudnnBackendCreateDescriptor");
  descriptor_.reset(made);
}

void Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                     const void* values) {
  api_->check(api_->set_attribute(get(), name, type, count, values), "cudnnBackendSetAttribute");
}

void Descriptor::set(cudnnBackendAttributeName_t name, const Descriptor& value) { set(name, std::vector{&value}); }

void Descriptor::set(cudnnBackendAttributeName_t name, const std::vector<const Descriptor*>& values) {
  std::vector<cudnnBackendDescriptor_t> raw;
  for (const Descriptor* value : values) raw.push_back(value->get());
  set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<std::int64_t>(raw.size()), raw.data());
}

void Descriptor::finalize() { api_->check(api_->finalize(get()), "cudnnBackendFinalize"); }

std::int64_t Descriptor::count(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
  return get(name, type, 0, nullptr);
}

std::int64_t Descriptor::get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t most,
                             void* values) const {
  std::int64_t count = 0;
  api_->check(api_->get_attribute(get(), name, type, most, &count, values), "cudnnBackendGetAttribute");
  return count;
}

std::int64_t Descriptor::number(cudnnBackendAttributeName_t name) const {
  std::int64_t value = 0;
  get(name, CUDNN_TYPE_INT64, 1, &value);
  return value;
}

std::vector<Descriptor> Descriptor::parts(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type,
                                          std::int64_t most) const {
  std::vector<Descriptor> result;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (std::int64_t i = 0; i < most; ++i) {
    result.emplace_back(*api_, type);
    raw.push_back(result.back().get());
  }
  const std::int64_t count = std::min(most, get(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, raw.data()));
  result.erase(result.begin() + count, result.end());
  return result;
}

Device::Device(const Api& api)
    : api_(&api), handle_(nullptr, Deleter{&api}), properties_(api, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR) {
  cudnnHandle_t handle = nullptr;
  api.check(api.create(&handle), "cudnnCreate");
  handle_.reset(handle);
  properties_.set(CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  properties_.finalize();
}

Device::Device(const Api& api, const std::string& json)
    : api_(&api), handle_(nullptr, Deleter{&api}), properties_(api, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR) {
  properties_.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, static_cast<std::int64_t>(json.size()), json.data());
  properties_.finalize();
}

cudnnHandle_t Device::on(cudaStream_t stream) const {
  api_->check(api_->set_stream(handle_.get(), stream), "cudnnSetStream");
  return handle_.get();
}

bool EngineConfig::has(cudnnBackendNumericalNote_t note) const {
  return std::find(notes.begin(), notes.end(), note) != notes.end();
}

namespace {

std::string name_of(const Descriptor& engine, const Descriptor& config) {
  std::string name = std::to_string(engine.number(CUDNN_ATTR_ENGINE_GLOBAL_INDEX)) + "(";
  const char* separator = "";
  for (const Descriptor& choice : config.parts(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR,
                                               CUDNN_KNOB_TYPE_COUNTS)) {
    const auto types = choice.list<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE);
    name += separator;
    name += std::to_string(types.empty() ? -1 : static_cast<int>(types[0])) + "=" +
            std::to_string(choice.number(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE));
    separator = ",";
  }
  return name + ")";
}

void query(const Device& device, const std::shared_ptr<const Graph>& graph, cudnnBackendHeurMode_t mode,
           std::vector<EngineConfig>& into) {
  constexpr std::int64_t most = 100;
  Descriptor heuristics(device.api(), CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph->graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device.properties());
  heuristics.finalize();
  for (Descriptor& config : heuristics.parts(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, most)) {
    const auto engines = config.parts(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1);
    if (engines.empty()) continue;
    std::string name = name_of(engines[0], config);
    if (std::any_of(into.begin(), into.end(), [&](const EngineConfig& known) { return known.name == name; })) continue;
    auto notes = engines[0].list<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE);
    into.push_back({graph, std::move(config), std::move(name), std::move(notes)});
  }
}

Descriptor planned(const Device& device, const EngineConfig& config) {
  Descriptor plan(device.api(), CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config.config);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device.properties());
  plan.finalize();
  return plan;
}

}  // namespace

std::vector<EngineConfig> recommended(const Device& device, const std::shared_ptr<const Graph>& graph,
                                      cudnnBackendHeurMode_t mode) {
  std::vector<EngineConfig> result;
  query(device, graph, mode, result);
  return result;
}

std::vector<EngineConfig> recommended(const Device& device, const std::shared_ptr<const Graph>& graph) {
  std::vector<EngineConfig> result;
  query(device, graph, CUDNN_HEUR_MODE_A, result);
  query(device, graph, CUDNN_HEUR_MODE_FALLBACK, result);
  return result;
}

Plan::Plan(const Device& device, std::shared_ptr<const EngineConfig> config)
    : config_(std::move(config)),
      plan_(planned(device, *config_)),
      workspace_(static_cast<std::size_t>(plan_.number(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE))) {}

void Plan::run(const Device& device, cudaStream_t stream, const Pointers& pointers, void* workspace) const {
  std::vector<std::int64_t> numbers;
  std::vector<void*> addresses;
  for (const auto& [number, address] : pointers) {
    numbers.push_back(number);
    addresses.push_back(address);
  }
  Descriptor variant(device.api(), CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  variant.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, numbers);
  variant.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, static_cast<std::int64_t>(addresses.size()),
              addresses.data());
  variant.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace);
  variant.finalize();
  device.api().check(device.api().execute(device.on(stream), plan_.get(), variant.get()), "cudnnBackendExecute");
}

}  // namespace s2sam::cudnn
