#pragma once

#include <stdexcept>

namespace s2sam::images {

/// What is wrong with the file of one image, to be read after its name.
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A file that is whole as far as is known, but of another format than JPEG.
struct Foreign : Broken {
  using Broken::Broken;
};

}  // namespace s2sam::images
