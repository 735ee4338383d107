#pragma once

#include <array>
#include <cstdint>

#ifdef __CUDACC__
#define S2SAM_HOST_DEVICE __host__ __device__
#else
#define S2SAM_HOST_DEVICE
#endif

namespace s2sam {

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four random words for a
/// counter and a key. A pure function, so any element of any stream can be had anywhere, in any order.
struct Philox {
  std::uint32_t key[2];

  struct Words {
    std::uint32_t word[4];
  };

  S2SAM_HOST_DEVICE Words operator()(std::uint32_t c0, std::uint32_t c1, std::uint32_t c2, std::uint32_t c3) const {
    std::uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c0;
      const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c2;
      const std::uint32_t n0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
      const std::uint32_t n2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
      c1 = static_cast<std::uint32_t>(p1);
      c3 = static_cast<std::uint32_t>(p0);
      c0 = n0;
      c2 = n2;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
  }
};

/// 24 random bits to [0, 1).
S2SAM_HOST_DEVICE inline float unit_uniform(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

}  // namespace s2sam
