#include "addon/call.hpp"

namespace s2sam::addon {

namespace {

Napi::Array strings(Napi::Env env, const std::vector<std::string>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (std::uint32_t i = 0; i < values.size(); ++i) array[i] = values[i];
  return array;
}

Napi::Object describe(Napi::Env env, const backend::DeviceDescription& device) {
  Napi::Object object = Napi::Object::New(env);
  object["name"] = device.name;
  object["memoryBytes"] = static_cast<double>(device.memory_bytes);
  if (!device.isa.empty()) object["isa"] = device.isa;
  if (device.cores > 0) object["cores"] = device.cores;
  return object;
}

Napi::Value info(Call& call) {
  const Napi::Env env = call.env();
  const auto found = backend::devices();
  Napi::Array devices = Napi::Array::New(env, found.size());
  for (std::uint32_t i = 0; i < found.size(); ++i) devices[i] = describe(env, found[i]);
  Napi::Object build = Napi::Object::New(env);
  for (const auto& [key, value] : backend::build()) build[key] = value;
  Napi::Object result = Napi::Object::New(env);
  result["version"] = S2SAM_VERSION;
  result["backend"] = backend::name();
  result["devices"] = devices;
  result["compiledIsas"] = strings(env, backend::compiled_isas());
  result["build"] = build;
  return result;
}

Napi::Value use_libraries(Call& call) {
  if (!call.argument(0).IsObject()) call.fail(Code::argument, "paths must be an object: library name -> path");
  const auto paths = call.argument(0).As<Napi::Object>();
  const Napi::Array names = paths.GetPropertyNames();
  std::vector<std::pair<std::string, std::string>> libraries;
  for (std::uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).As<Napi::String>();
    const Napi::Value path = paths.Get(name);
    if (!path.IsString()) call.fail(Code::argument, "paths." + name + " must be a string");
    libraries.emplace_back(name, path.As<Napi::String>());
  }
  backend::use_libraries(std::move(libraries));
  return call.undefined();
}

Napi::Value open_device(Call& call) {
  constexpr int most_threads = 4096;
  const int index = call.small(0, "index", 0);
  const int threads = call.small(1, "threads", 0, most_threads);
  return call.add(call.addon().devices, std::make_unique<Device>(index, threads));
}

Napi::Value close_device(Call& call) {
  Addon& addon = call.addon();
  HandleBits handle;
  if (!call.alive(addon.devices, 0, handle)) return call.undefined();
  Device& device = call.device(0);
  device.stop();
  addon.pending.reject(call.env(), device);
  const auto lives_there = [&device](const auto& record) { return record.device == &device; };
  addon.graphs.remove_if(lives_there);
  addon.masks.remove_if(lives_there);
  addon.tensors.remove_if(lives_there);
  addon.devices.remove(handle);
  return call.undefined();
}

Napi::Value device_info(Call& call) {
  const Device& device = call.device(0);
  Napi::Object result = Napi::Object::New(call.env());
  result["kind"] = backend::name();
  result["name"] = device.description.name;
  result["isa"] = device.description.isa;
  result["threads"] = backend::threads(*device.stream);
  return result;
}

Napi::Value memory(Call& call) {
  const Device& device = call.device(0);
  Napi::Object result = Napi::Object::New(call.env());
  const auto set = [&result](const char* name, std::size_t value) { result[name] = static_cast<double>(value); };
  set("active", device.pool.active());
  set("peak", device.pool.peak());
  set("cached", device.pool.cached() + backend::scratch_bytes(*device.stream));
  set("tensors", device.tensors);
  set("masks", device.masks);
  set("graphs", device.graphs);
  return result;
}

Napi::Value reset_peak(Call& call) {
  call.device(0).pool.reset_peak();
  return call.undefined();
}

Napi::Value trim(Call& call) {
  call.device(0).pool.trim();
  return call.undefined();
}

Napi::Value synchronize(Call& call) {
  Device& device = call.device(0);
  call.not_while_capturing("nothing runs while a step is recorded; wait after captureEnd and replay");
  return call.addon().pending.add(call.env(), device, call.op(), [](Napi::Env env) { return env.Undefined(); });
}

constexpr Method methods[] = {
    {"info", info},
    {"useLibraries", use_libraries},
    {"openDevice", open_device},
    {"closeDevice", close_device},
    {"deviceInfo", device_info},
    {"memory", memory},
    {"resetPeak", reset_peak},
    {"trim", trim},
    {"synchronize", synchronize},
};

}  // namespace

Methods device_methods() { return methods; }

}  // namespace s2sam::addon
