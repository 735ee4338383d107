#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace s2sam {

/// What kind of mistake an error reports; the addon turns it into the `code` of a JavaScript error.
enum class Code { argument, shape, dtype, device, disposed, out_of_memory, internal };

/// The only exception this library throws on purpose. It names the op, and its message the values and the remedy.
class Error : public std::runtime_error {
 public:
  Error(Code code, std::string op, const std::string& message)
      : std::runtime_error(op + ": " + message), code_(code), op_(std::move(op)) {}

  Code code() const noexcept { return code_; }
  const std::string& op() const noexcept { return op_; }

 private:
  Code code_;
  std::string op_;
};

}  // namespace s2sam
