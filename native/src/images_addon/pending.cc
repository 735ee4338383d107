#include "images_addon/pending.hpp"

#include <memory>
#include <utility>

namespace s2sam::images_addon {

Pending::Pending(Napi::Env env) : channel_(Channel::New(env, "s2sam images", 0, 1, this)) { channel_.Unref(env); }

Napi::Promise Pending::add(Napi::Env env, std::uint64_t id, const Napi::Object& kept, Result result) {
  const auto waiter =
      waiters_.emplace(id, Waiter{Napi::Promise::Deferred::New(env), Napi::Persistent(kept), std::move(result)}).first;
  if (waiters_.size() == 1) channel_.Ref(env);
  return waiter->second.deferred.Promise();
}

void Pending::finish(std::uint64_t id) {
  auto owned = std::make_unique<std::uint64_t>(id);
  if (channel_.NonBlockingCall(owned.get()) == napi_ok) owned.release();  // settle() owns it now
}

void Pending::close(Napi::Env env, const char* why) {
  auto waiters = std::exchange(waiters_, {});
  for (auto& [id, waiter] : waiters) waiter.deferred.Reject(Napi::Error::New(env, why).Value());
  if (!waiters.empty()) channel_.Unref(env);
  channel_.Release();
}

void Pending::settle(Napi::Env env, Napi::Function, Pending* pending, std::uint64_t* id) {
  const std::unique_ptr<std::uint64_t> owned(id);
  if (env == nullptr) return;  // the environment is gone
  const auto found = pending->waiters_.find(*owned);
  if (found == pending->waiters_.end()) return;  // rejected when its pool was closed
  const Waiter waiter = std::move(found->second);
  pending->waiters_.erase(found);
  if (pending->waiters_.empty()) pending->channel_.Unref(env);
  try {
    waiter.deferred.Resolve(waiter.result(env));
  } catch (const Napi::Error&) {  // the environment is being torn down, and runs no JavaScript any more
  }
}

}  // namespace s2sam::images_addon
