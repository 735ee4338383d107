#pragma once

#include <napi.h>

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "addon/device.hpp"
#include "addon/handles.hpp"
#include "addon/pending.hpp"
#include "s2sam/error.hpp"
#include "s2sam/ops.hpp"
#include "s2sam/shape.hpp"

namespace s2sam::addon {

class Call;

/// One function of the binding. Its name is the op in every error.
struct Method {
  const char* name;
  Napi::Value (*run)(Call&);
};
using Methods = std::span<const Method>;

/// Everything of one environment (the main thread or a worker); nothing is shared between environments.
struct Addon {
  struct Bound {
    Addon* addon;
    const Method* method;
  };

  explicit Addon(Napi::Env env) : pending(env) {}

  std::vector<Bound> methods;
  // The records point into devices, so they are declared, and outlived, in this order.
  Handles<std::unique_ptr<Device>, Kind::device> devices;
  Handles<TensorRecord, Kind::tensor> tensors;
  Handles<MaskRecord, Kind::mask> masks;
  Handles<GraphRecord, Kind::graph> graphs;
  Pending pending;
};

/// Memory for a result that has no handle yet; freed if the op throws before it gets one.
struct Output {
  Tensor tensor;
  Pool::StoragePtr storage;
};

/// Reads the arguments of one call and makes its results. Every error names the op and the argument. The first handle read
/// decides the device of the call; the others must live there too.
class Call {
 public:
  static constexpr std::size_t max_arguments = 14;

  Call(Addon& addon, napi_env env, napi_callback_info info, const char* op);

  Napi::Env env() const { return env_; }
  Addon& addon() const { return addon_; }
  const char* op() const { return op_; }
  [[noreturn]] void fail(Code code, const std::string& message) const { throw Error(code, op_, message); }

  // ---- arguments; i counts from 0
  Device& device(int i);
  TensorRecord& record(int i, const char* name);
  const Tensor& tensor(int i, const char* name) { return record(i, name).tensor; }
  /// 0 gives a tensor without data.
  Tensor optional_tensor(int i, const char* name);
  MaskRecord& mask_record(int i, const char* name);
  const ops::MaskRef& mask(int i, const char* name) { return mask_record(i, name).mask; }
  /// 0 gives null.
  ops::MaskRef optional_mask(int i, const char* name);
  /// Arrays of handles; element k is called name[k] in errors.
  std::vector<Tensor> tensors(int i, const char* name);
  std::vector<ops::MaskRef> masks(int i, const char* name);
  GraphRecord& graph(int i);
  /// Any number, NaN and infinities included.
  double value(int i, const char* name) const;
  /// A finite number that a float holds.
  float real(int i, const char* name) const;
  std::int64_t integer(int i, const char* name, std::int64_t low, std::int64_t high) const;
  int small(int i, const char* name, int low, int high = 1 << 30) const {
    return static_cast<int>(integer(i, name, low, high));
  }
  std::uint32_t word(int i, const char* name) const {
    return static_cast<std::uint32_t>(integer(i, name, 0, std::numeric_limits<std::uint32_t>::max()));
  }
  bool boolean(int i, const char* name) const;
  DType dtype(int i) const;
  std::string text(int i, const char* name) const;
  Shape shape(int i, const char* name) const;
  Napi::TypedArray array(int i, const char* name) const;
  Napi::Value argument(int i) const { return {env_, arguments_[static_cast<std::size_t>(i)]}; }

  /// For dispose calls: what a number that is no handle of this kind is called out for. Returns whether it is alive.
  template <class T, Kind kind>
  bool alive(Handles<T, kind>& handles, int i, HandleBits& handle) const {
    handle = bits(argument(i), name_of(kind), kind);
    if (handles.find(handle) != nullptr) return true;
    if (!handles.issued(handle)) fail(Code::argument, unknown(argument(i), kind));
    return false;
  }

  // ---- what the call works on
  Device& device() const { return *device_; }
  Stream& stream() const { return *device_->stream; }
  /// Throws while the device records a step, since `why`.
  void not_while_capturing(const char* why) const;

  // ---- results
  Output output(const shape::Form& form);
  Napi::Value handle(Output output);
  /// 0 for an output that was not made.
  Napi::Value optional_handle(Output output);
  Napi::Value pair(Output first, Output second);
  Napi::Value undefined() const { return env_.Undefined(); }
  Napi::Value number(HandleBits handle) const { return Napi::Number::New(env_, static_cast<double>(handle.value)); }
  /// A new handle in one of the tables.
  template <class T, Kind kind>
  Napi::Value add(Handles<T, kind>& handles, T value) const {
    const auto handle = handles.add(std::move(value));
    if (!handle) fail(Code::out_of_memory, "there are more than a million handles; dispose some");
    return number(*handle);
  }

 private:
  HandleBits bits(napi_value value, const char* name, Kind kind) const;
  template <class T, Kind kind>
  T& lookup(Handles<T, kind>& handles, napi_value value, const char* name) const;
  TensorRecord& record_of(napi_value value, const char* name);
  MaskRecord& mask_record_of(napi_value value, const char* name);
  /// Calls read(element, its name) for each element of an array.
  template <class Read>
  void each_element(int i, const char* name, const Read& read) const;
  /// The handle's device becomes or must be the device of the call; notes the memory for the step being recorded.
  void use(Device& device, const char* name, const Pool::StoragePtr& storage);
  bool is_none(int i) const;
  [[noreturn]] void wrong_type(napi_value value, const char* name, const char* wanted) const;
  std::string unknown(napi_value value, Kind kind) const;

  Addon& addon_;
  Napi::Env env_;
  const char* op_;
  Device* device_ = nullptr;
  std::array<napi_value, max_arguments> arguments_{};
};

// The families, one file each.
Methods device_methods();
Methods profile_methods();
Methods tensor_methods();
Methods capture_methods();
Methods conv_methods();
Methods norm_methods();
Methods pool_methods();
Methods loss_methods();
Methods input_methods();
Methods elementwise_methods();
Methods random_methods();
Methods mask_methods();
Methods optimizer_methods();

}  // namespace s2sam::addon
