#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <unordered_map>

namespace s2sam::images_addon {

/// Promises that threads settle. They keep the event loop alive only while there are any.
class Pending {
 public:
  using Result = std::function<Napi::Value(Napi::Env)>;

  explicit Pending(Napi::Env env);
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  /// A promise for what `result` makes once `finish(id)` was called; `kept` stays alive until then.
  Napi::Promise add(Napi::Env env, std::uint64_t id, const Napi::Object& kept, Result result);
  std::uint64_t next_id() { return next_++; }
  /// From any thread.
  void finish(std::uint64_t id);
  /// Rejects all, for good.
  void close(Napi::Env env, const char* why);

 private:
  struct Waiter {
    Napi::Promise::Deferred deferred;
    Napi::ObjectReference kept;
    Result result;
  };
  static void settle(Napi::Env env, Napi::Function, Pending* pending, std::uint64_t* id);
  using Channel = Napi::TypedThreadSafeFunction<Pending, std::uint64_t, &Pending::settle>;

  std::unordered_map<std::uint64_t, Waiter> waiters_;
  std::uint64_t next_ = 0;
  Channel channel_;
};

}  // namespace s2sam::images_addon
