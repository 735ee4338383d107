#pragma once

#include <napi.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <unordered_map>

#include "addon/device.hpp"

namespace s2sam::addon {

/// Promises that a stream will settle. They keep the event loop alive only while there are any; those of a device that is
/// closed are rejected, those of a dying environment are forgotten.
class Pending {
 public:
  explicit Pending(Napi::Env env);
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  /// A promise that is settled once the device has done everything enqueued so far: with the value `result` makes then, or with
  /// the first error since the last such promise.
  Napi::Value add(Napi::Env env, Device& device, const char* op, std::function<Napi::Value(Napi::Env)> result);
  /// Rejects every promise of a device that is being closed.
  void reject(Napi::Env env, const Device& device);

 private:
  struct Waiter {
    const Device* device;
    const char* op;
    Napi::Promise::Deferred deferred;
    std::function<Napi::Value(Napi::Env)> result;
  };
  struct Completion {
    std::uint64_t id;
    std::exception_ptr failure;
  };
  static void settle(Napi::Env env, Napi::Function, Pending* pending, Completion* completion);
  using Channel = Napi::TypedThreadSafeFunction<Pending, Completion, &Pending::settle>;

  void settle(Napi::Env env, const Completion& completion);
  void forget(Napi::Env env, std::unordered_map<std::uint64_t, Waiter>::iterator waiter);

  std::unordered_map<std::uint64_t, Waiter> waiters_;
  std::uint64_t next_ = 0;
  Channel channel_;
};

}  // namespace s2sam::addon
