#pragma once

#include <string>
#include <utility>
#include <vector>

namespace s2sam {

/// A shared library of NVIDIA's, opened from the path that use_libraries named. Opened at its first use and never closed, since these
/// libraries do not survive that.
class Library {
 public:
  /// Null when no path was given for this name or the file cannot be opened. Names: cublasLt, cublas, nvJitLink, cusparse, cudnn.
  static const Library* find(const std::string& name);
  /// Replaces what was known of paths.
  static void use(std::vector<std::pair<std::string, std::string>> paths);
  /// (name, "version path" or what went wrong) of every library named.
  static std::vector<std::pair<std::string, std::string>> describe();

  /// Null when the library has no such function. Function: decltype(&::cudnnCreate) and the like.
  template <class Function>
  Function symbol(const char* name) const {
    return reinterpret_cast<Function>(address(name));
  }

 private:
  friend class LibraryTable;
  explicit Library(void* handle) : handle_(handle) {}
  void* address(const char* name) const;

  void* handle_;
};

}  // namespace s2sam
