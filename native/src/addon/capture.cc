#include <algorithm>

#include "addon/call.hpp"

namespace s2sam::addon {

namespace {

Device& recording(Call& call) {
  Device& device = call.device(0);
  if (!device.pool.capturing()) call.fail(Code::argument, "no step is being recorded; call captureBegin first");
  return device;
}

/// Ends the capture; what it used from outside, once each.
std::vector<Pool::StoragePtr> end(Device& device) {
  device.pool.end_capture();
  std::vector<Pool::StoragePtr> uses = std::exchange(device.captured, {});
  std::sort(uses.begin(), uses.end());
  uses.erase(std::unique(uses.begin(), uses.end()), uses.end());
  return uses;
}

void dissolve_unused(Device& device) {
  if (device.graphs == 0 && !device.pool.capturing()) device.pool.dissolve_step_arena();
}

Napi::Value capture_begin(Call& call) {
  Device& device = call.device(0);
  call.not_while_capturing("a step is being recorded already");
  backend::begin_capture(*device.stream);
  device.pool.begin_capture();
  return call.undefined();
}

Napi::Value capture_end(Call& call) {
  Device& device = recording(call);
  std::vector<Pool::StoragePtr> uses = end(device);
  return call.add(call.addon().graphs, GraphRecord{&device, backend::end_capture(*device.stream), std::move(uses)});
}

Napi::Value capture_abort(Call& call) {
  Device& device = recording(call);
  end(device);
  backend::abort_capture(*device.stream);
  dissolve_unused(device);
  return call.undefined();
}

Napi::Value replay(Call& call) {
  const GraphRecord& graph = call.graph(0);
  call.not_while_capturing("a recorded step cannot contain another");
  if (backend::stale(graph.recording)) {
    call.fail(Code::argument, "a mask has changed that the step was recorded for; dispose the graph and record the step again");
  }
  backend::replay(call.stream(), graph.recording);
  return call.undefined();
}

Napi::Value is_stale(Call& call) { return Napi::Boolean::New(call.env(), backend::stale(call.graph(0).recording)); }

Napi::Value dispose_graph(Call& call) {
  HandleBits handle;
  if (!call.alive(call.addon().graphs, 0, handle)) return call.undefined();
  Device& device = *call.graph(0).device;
  call.addon().graphs.remove(handle);
  dissolve_unused(device);
  return call.undefined();
}

constexpr Method methods[] = {
    {"captureBegin", capture_begin}, {"captureEnd", capture_end},      {"captureAbort", capture_abort},
    {"replay", replay}, {"isStale", is_stale},              {"disposeGraph", dispose_graph},
};

}  // namespace

Methods capture_methods() { return methods; }

}  // namespace s2sam::addon
