#include "addon/errors.hpp"

#include <new>
#include <string>

#include "s2sam/error.hpp"

namespace s2sam::addon {

namespace {

const char* name_of(Code code) {
  switch (code) {
    case Code::argument: return "ERR_ARGUMENT";
    case Code::shape: return "ERR_SHAPE";
    case Code::dtype: return "ERR_DTYPE";
    case Code::device: return "ERR_DEVICE";
    case Code::disposed: return "ERR_DISPOSED";
    case Code::out_of_memory: return "ERR_OUT_OF_MEMORY";
    case Code::internal: return "ERR_INTERNAL";
  }
  return "ERR_INTERNAL";
}

Napi::Error make(Napi::Env env, const Error& error) {
  Napi::Error result = Napi::Error::New(env, error.what());
  result.Set("code", name_of(error.code()));
  result.Set("op", error.op());
  return result;
}

}  // namespace

Napi::Error to_javascript(Napi::Env env, const std::exception_ptr& failure, const char* fallback_op) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return make(env, error);
  } catch (const Napi::Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return make(env, Error(Code::out_of_memory, fallback_op, "the system has no memory left; use a smaller batch or model"));
  } catch (const std::exception& error) {
    return make(env, Error(Code::internal, fallback_op, std::string("unexpected fault: ") + error.what()));
  } catch (...) {
    return make(env, Error(Code::internal, fallback_op, "unexpected fault of an unknown kind"));
  }
}

}  // namespace s2sam::addon
