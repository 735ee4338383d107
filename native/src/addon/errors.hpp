#pragma once

#include <napi.h>

#include <exception>

namespace s2sam::addon {

/// The JavaScript Error of an exception, with the own properties `code` and `op` (`fallback_op` where it names none).
Napi::Error to_javascript(Napi::Env env, const std::exception_ptr& failure, const char* fallback_op);

}  // namespace s2sam::addon
