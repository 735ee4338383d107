#include "cuda/choice/cache.hpp"

#include <unistd.h>

#include <atomic>
#include <cctype>
#include <cstdlib>
#include <fstream>

namespace s2sam {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t longest = 4096;  // of an answer

std::optional<fs::path> from_environment(const char* name) {
  const char* text = std::getenv(name);
  return text != nullptr && *text != '\0' ? std::optional<fs::path>(text) : std::nullopt;
}

std::optional<fs::path> cache_folder() {
  if (const auto own = from_environment("S2SAM_CACHE")) return own;
  if (const auto shared = from_environment("XDG_CACHE_HOME")) return *shared / "s2sam";
  if (const auto home = from_environment("HOME")) return *home / ".cache" / "s2sam";
  return {};
}

std::string file_name(const std::string& text) {
  std::string name;
  for (const char c : text) name += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' ? c : '_';
  return name;
}

/// Different for every file that is being written, in this process and others.
std::string temporary_name(const std::string& name) {
  static std::atomic<unsigned> count{0};
  return "." + name + "." + std::to_string(getpid()) + "." + std::to_string(count++);
}

}  // namespace

ChoiceCache::ChoiceCache(const std::string& kind, const std::string& folder) : folder_(cache_folder()) {
  if (folder_) *folder_ = *folder_ / kind / file_name(folder);
}

std::optional<std::string> ChoiceCache::find(const std::string& question) const {
  if (!folder_) return {};
  std::ifstream file(*folder_ / file_name(question));
  std::string answer;
  if (!std::getline(file, answer) || answer.size() > longest) return {};
  return answer;
}

void ChoiceCache::keep(const std::string& question, const std::string& answer) const {
  if (!folder_) return;
  const std::string name = file_name(question);
  const fs::path written = *folder_ / temporary_name(name);
  std::error_code ignored;
  fs::create_directories(*folder_, ignored);
  std::ofstream file(written);
  file << answer << '\n';
  file.close();
  if (file) fs::rename(written, *folder_ / name, ignored);  // at once, for whoever reads meanwhile
  if (!file || ignored) fs::remove(written, ignored);
}

}  // namespace s2sam
