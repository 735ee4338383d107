#include "images/bytes.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "images/broken.hpp"

namespace s2sam::images {

namespace {

[[noreturn]] void refuse(const char* what) { throw Broken(std::string(what) + ": " + std::strerror(errno)); }

/// An open file.
class File {
 public:
  explicit File(const std::string& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0) refuse("cannot be opened");
  }
  ~File() { ::close(descriptor_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int descriptor() const { return descriptor_; }
  std::size_t size() const {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) refuse("cannot be read");
    return static_cast<std::size_t>(status.st_size);
  }

 private:
  int descriptor_;
};

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  const File file(path);
  size_ = file.size();
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.descriptor(), 0);
  if (mapped == MAP_FAILED) refuse("cannot be mapped");
  data_ = static_cast<const std::uint8_t*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::uint8_t*>(data_), size_);
}

void read_file(const std::string& path, std::vector<std::uint8_t>& buffer) {
  const File file(path);
  buffer.resize(file.size());
  for (std::size_t done = 0; done < buffer.size();) {
    const ssize_t count = ::read(file.descriptor(), buffer.data() + done, buffer.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) refuse("cannot be read");
    if (count == 0) throw Broken("became shorter while it was read");
    done += static_cast<std::size_t>(count);
  }
}

}  // namespace s2sam::images
