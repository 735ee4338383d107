#include "cuda/libraries/library.hpp"

#include <dlfcn.h>

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>

namespace s2sam {

/// What is known of each library: where it lies, and once somebody asked, whether it could be opened.
class LibraryTable {
 public:
  static LibraryTable& get() {
    static LibraryTable table;
    return table;
  }

  void use(std::vector<std::pair<std::string, std::string>> paths) {
    const std::lock_guard lock(mutex_);
    for (auto& [name, path] : paths) {
      if (Entry& entry = entries_[name]; !entry.library) entry = {std::move(path), {}, {}};
    }
  }

  const Library* find(const std::string& name) {
    const std::lock_guard lock(mutex_);
    for (const char* needed : needs(name)) open(needed);
    return open(name);
  }

  std::vector<std::string> names() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> result;
    for (const auto& [name, entry] : entries_) result.push_back(name);
    return result;
  }

  std::string path(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return entries_[name].path;
  }

  std::string failure(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return entries_[name].failure;
  }

 private:
  struct Entry {
    std::string path;
    std::string failure;
    std::optional<Library> library;
  };

  /// Libraries that another one opens or is linked with, so that they come from the same place.
  static std::vector<const char*> needs(const std::string& name) {
    if (name == "cublas") return {"cublasLt"};
    if (name == "cusparse") return {"nvJitLink"};
    if (name == "cudnn") return {"cublasLt", "cublas"};
    return {};
  }

  const Library* open(const std::string& name) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) return nullptr;
    Entry& entry = found->second;
    if (!entry.library && entry.failure.empty()) {
      if (void* handle = dlopen(entry.path.c_str(), RTLD_NOW | RTLD_GLOBAL)) {
        entry.library = Library(handle);
      } else {
        const char* why = dlerror();
        entry.failure = why != nullptr ? why : "it cannot be opened";
      }
    }
    return entry.library ? &*entry.library : nullptr;
  }

  std::mutex mutex_;
  std::map<std::string, Entry> entries_;
};

namespace {

std::string dotted(std::size_t version, std::size_t major, std::size_t minor) {
  return std::to_string(version / major) + "." + std::to_string(version % major / minor) + "." + std::to_string(version % minor);
}

/// cuDNN 8 counted in thousands. "+cuda13.0": what it was built for, since builds for different CUDA releases share a file name.
std::string cudnn_version(const Library& library) {
  using Number = std::size_t (*)();
  const auto version = library.symbol<Number>("cudnnGetVersion");
  const auto built_for = library.symbol<Number>("cudnnGetCudartVersion");
  if (version == nullptr) return "";
  const std::string number = dotted(version(), version() < 10000 ? 1000 : 10000, 100);
  if (built_for == nullptr) return number;
  return number + "+cuda" + std::to_string(built_for() / 1000) + "." + std::to_string(built_for() % 1000 / 10);
}

/// As the library itself tells; empty where it does not.
std::string version_of(const std::string& name, const Library& library) {
  using Number = std::size_t (*)();
  using Property = int (*)(int, int*);
  using Pair = int (*)(unsigned*, unsigned*);
  if (name == "cudnn") return cudnn_version(library);
  if (name == "cublasLt") {
    const auto version = library.symbol<Number>("cublasLtGetVersion");
    return version != nullptr ? dotted(version(), 10000, 100) : "";
  }
  if (name == "nvJitLink") {
    unsigned major = 0, minor = 0;
    const auto version = library.symbol<Pair>("nvJitLinkVersion");
    if (version == nullptr || version(&major, &minor) != 0) return "";
    return std::to_string(major) + "." + std::to_string(minor);
  }
  const auto property = library.symbol<Property>((name + "GetProperty").c_str());
  if (property == nullptr) return "";
  int parts[3] = {};
  for (int i = 0; i < 3; ++i) property(i, &parts[i]);
  return std::to_string(parts[0]) + "." + std::to_string(parts[1]) + "." + std::to_string(parts[2]);
}

}  // namespace

const Library* Library::find(const std::string& name) { return LibraryTable::get().find(name); }

void Library::use(std::vector<std::pair<std::string, std::string>> paths) { LibraryTable::get().use(std::move(paths)); }

std::vector<std::pair<std::string, std::string>> Library::describe() {
  std::vector<std::pair<std::string, std::string>> result;
  LibraryTable& table = LibraryTable::get();
  for (const std::string& name : table.names()) {
    const Library* library = table.find(name);
    const std::string version = library != nullptr ? version_of(name, *library) : "";
    result.emplace_back(name, library == nullptr ? table.failure(name)
                              : version.empty()  ? table.path(name)
                                                 : version + " " + table.path(name));
  }
  return result;
}

void* Library::address(const char* name) const { return dlsym(handle_, name); }

}  // namespace s2sam
