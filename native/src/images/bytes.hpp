#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace s2sam::images {

/// A file mapped into memory, read-only.
class MappedFile {
 public:
  /// Throws Broken with the reason where it cannot be mapped.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::uint8_t> bytes() const { return {data_, size_}; }

 private:
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The whole of a file into `buffer`. Throws Broken with the reason.
void read_file(const std::string& path, std::vector<std::uint8_t>& buffer);

}  // namespace s2sam::images
