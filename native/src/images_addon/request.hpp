#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "images/bytes.hpp"
#include "images/image.hpp"

namespace s2sam::images_addon {

/// A stretch of a mapped file.
struct Stretch {
  std::shared_ptr<const images::MappedFile> file;
  std::size_t offset = 0, length = 0;
};

/// Where the bytes of an image are: a file of its own, a stretch of another, or memory of JavaScript's.
struct Source {
  std::variant<std::string, Stretch, images::Bytes> place;
  std::optional<images::Size> raw;

  /// Throws images::Broken.
  images::Encoded open(images::Scratch& scratch) const;
};

using Files = std::vector<std::shared_ptr<const images::MappedFile>>;

/// What went wrong with an image.
struct Failure {
  bool foreign = false;
  std::string message;
};

/// Throw Napi::Error for what is not of the form in native/lib/images.ts.
std::vector<Source> sources_of(const Napi::Object& request, const Files& files);
images::Recipe recipe_of(const Napi::Object& request);
std::int64_t whole(const Napi::Object& from, const char* name);

}  // namespace s2sam::images_addon
