#include <napi.h>

#include <memory>

#include "addon/call.hpp"
#include "addon/errors.hpp"

namespace s2sam::addon {

namespace {

/// Throws into JavaScript. An environment that is being torn down takes no exceptions any more; then there is nobody to tell.
void raise(napi_env env, const std::exception_ptr& failure, const char* op) {
  try {
    to_javascript(env, failure, op).ThrowAsJavaScriptException();
  } catch (const Napi::Error&) {
  }
}

/// Entry of every function: reads the arguments, runs the method, turns exceptions into JavaScript ones.
napi_value dispatch(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  const auto& bound = *static_cast<const Addon::Bound*>(data);
  try {
    Call call(*bound.addon, env, info, bound.method->name);
    return bound.method->run(call);
  } catch (...) {
    raise(env, std::current_exception(), bound.method->name);
    return nullptr;
  }
}

std::vector<Addon::Bound> all_methods(Addon& addon) {
  std::vector<Addon::Bound> all;
  for (Methods family : {device_methods(), profile_methods(), tensor_methods(), capture_methods(), conv_methods(), norm_methods(),
                         pool_methods(), loss_methods(), input_methods(), elementwise_methods(), random_methods(),
                         mask_methods(), optimizer_methods()}) {
    for (const Method& method : family) all.push_back({&addon, &method});
  }
  return all;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto owned = std::make_unique<Addon>(env);
  Addon* addon = owned.release();
  env.SetInstanceData<Addon>(addon);  // deletes it with the environment
  // Hooks run last in, first out, so streams stop before the thread-safe function they call (made in Addon) goes away.
  env.AddCleanupHook([addon] { addon->devices.each([](const auto& device) { device->stop(); }); });
  addon->methods = all_methods(*addon);
  for (Addon::Bound& bound : addon->methods) {
    napi_value function = nullptr;
    const napi_status status = napi_create_function(env, bound.method->name, NAPI_AUTO_LENGTH, dispatch, &bound, &function);
    if (status != napi_ok) throw Napi::Error::New(env);
    exports.Set(bound.method->name, Napi::Value(env, function));
  }
  return exports;
}

}  // namespace

}  // namespace s2sam::addon

static Napi::Object s2sam_init(Napi::Env env, Napi::Object exports) { return s2sam::addon::init(env, exports); }

NODE_API_MODULE(s2sam, s2sam_init)
