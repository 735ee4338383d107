#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace s2sam {

/// Choices that were made on this machine, kept on disk: a folder with one small text file per question. Processes may
/// share it, and a file that cannot be read or written is as good as none.
class ChoiceCache {
 public:
  /// `folder`: below the cache folder, which is S2SAM_CACHE, or s2sam in XDG_CACHE_HOME or in ~/.cache. Nothing is kept
  /// where none of these is known. Characters that do not belong into names of files are replaced.
  ChoiceCache(const std::string& kind, const std::string& folder);

  std::optional<std::string> find(const std::string& question) const;
  void keep(const std::string& question, const std::string& answer) const;

 private:
  std::optional<std::filesystem::path> folder_;
};

}  // namespace s2sam
