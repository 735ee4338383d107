#include "addon/pending.hpp"

#include <memory>
#include <utility>

#include "addon/errors.hpp"
#include "s2sam/error.hpp"

namespace s2sam::addon {

Pending::Pending(Napi::Env env) : channel_(Channel::New(env, "s2sam", 0, 1, this)) { channel_.Unref(env); }

Napi::Value Pending::add(Napi::Env env, Device& device, const char* op, std::function<Napi::Value(Napi::Env)> result) {
  const std::uint64_t id = next_++;
  // First, since it throws where the device has failed. What it calls reaches settle() through the event loop, so after this.
  backend::on_complete(*device.stream, [channel = channel_, id](std::exception_ptr failure) {
    auto completion = std::make_unique<Completion>(id, std::move(failure));
    if (channel.NonBlockingCall(completion.get()) == napi_ok) completion.release();  // settle() owns it now
  });
  const auto waiter =
      waiters_.emplace(id, Waiter{&device, op, Napi::Promise::Deferred::New(env), std::move(result)}).first;
  if (waiters_.size() == 1) channel_.Ref(env);
  return waiter->second.deferred.Promise();
}

void Pending::reject(Napi::Env env, const Device& device) {
  for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
    const auto current = waiter++;
    if (current->second.device != &device) continue;
    const Error error(Code::disposed, current->second.op, "the device was closed before the work was done");
    current->second.deferred.Reject(to_javascript(env, std::make_exception_ptr(error), error.op().c_str()).Value());
    forget(env, current);
  }
}

void Pending::settle(Napi::Env env, Napi::Function, Pending* pending, Completion* completion) {
  const std::unique_ptr<Completion> owned(completion);
  if (env == nullptr) return;  // the environment is gone
  try {
    pending->settle(env, *owned);
  } catch (const Napi::Error&) {  // it is being torn down, and runs no JavaScript any more
  }
}

void Pending::settle(Napi::Env env, const Completion& completion) {
  const auto found = waiters_.find(completion.id);
  if (found == waiters_.end()) return;  // rejected when its device was closed
  const Waiter waiter = std::move(found->second);
  forget(env, found);
  try {
    if (completion.failure) std::rethrow_exception(completion.failure);
    waiter.deferred.Resolve(waiter.result(env));
  } catch (...) {
    waiter.deferred.Reject(to_javascript(env, std::current_exception(), waiter.op).Value());
  }
}

void Pending::forget(Napi::Env env, std::unordered_map<std::uint64_t, Waiter>::iterator waiter) {
  waiters_.erase(waiter);
  if (waiters_.empty()) channel_.Unref(env);
}

}  // namespace s2sam::addon
