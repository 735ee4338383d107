#include "cpu/pool/pool.kernels.hpp"

#include "cpu/vec.hpp"

namespace s2sam::S2SAM_ISA {

namespace {

constexpr float infinity = __builtin_inff();

/// Calls body(offset, tap) for the taps on the input: offset of the pixel in floats from pixel (0, 0).
template <class Body>
void for_each_tap(std::ptrdiff_t row, const Taps& taps, const Body& body) {
  for (int r = taps.r0; r < taps.r1; ++r) {
    for (int c = taps.c0; c < taps.c1; ++c) {
      body(r * row + static_cast<std::ptrdiff_t>(c) * lanes, (r - taps.first_r) * taps.kernel_w + (c - taps.first_c));
    }
  }
}

/// The first tap wins among equals and any NaN wins, as in PyTorch.
void max_at(const float* x, std::ptrdiff_t row, const Taps& taps, float* y, std::uint8_t* argmax) {
  alignas(64) float best[lanes];
  alignas(64) std::int32_t winner[lanes];
  const int first = (taps.r0 - taps.first_r) * taps.kernel_w + (taps.c0 - taps.first_c);
  for (int i = 0; i < lanes; ++i) {
    best[i] = -infinity;
    winner[i] = first;
  }
  for_each_tap(row, taps, [&](std::ptrdiff_t offset, int tap) {
    const float* from = x + offset;
    for (int i = 0; i < lanes; ++i) {
      const bool wins = from[i] > best[i] || from[i] != from[i];
      best[i] = wins ? from[i] : best[i];
      winner[i] = wins ? tap : winner[i];
    }
  });
  for (int i = 0; i < lanes; ++i) y[i] = best[i];
  for (int i = 0; i < lanes; ++i) argmax[i] = static_cast<std::uint8_t>(winner[i]);
}

void max_scatter(const float* dy, const std::uint8_t* argmax, const Taps& taps, float* dx, std::ptrdiff_t row) {
  for_each_tap(row, taps, [&](std::ptrdiff_t offset, int tap) {
    float* to = dx + offset;
    for (int i = 0; i < lanes; ++i) to[i] += argmax[i] == tap ? dy[i] : 0.0F;
  });
}

void sum_at(const float* x, std::ptrdiff_t row, const Taps& taps, float factor, float* y) {
  Vec16 sum = Vec16::zero();
  for_each_tap(row, taps, [&](std::ptrdiff_t offset, int) { sum = sum + Vec16::load(x + offset); });
  (sum * Vec16::broadcast(factor)).store(y);
}

void sum_scatter(const float* dy, const Taps& taps, float factor, float* dx, std::ptrdiff_t row) {
  const Vec16 share = Vec16::load(dy) * Vec16::broadcast(factor);
  for_each_tap(row, taps, [&](std::ptrdiff_t offset, int) { (Vec16::load(dx + offset) + share).store(dx + offset); });
}

}  // namespace

const PoolKernels pool_kernels{
    .max_at = max_at, .max_scatter = max_scatter, .sum_at = sum_at, .sum_scatter = sum_scatter};

}  // namespace s2sam::S2SAM_ISA
