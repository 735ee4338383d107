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

// One number of each tap per image, in registers of the same lanes as Vec16's.
using Index [[gnu::vector_size(native_lanes * 4)]] = std::int32_t;
using Bytes [[gnu::vector_size(native_lanes)]] = std::uint8_t;

/// The first tap wins among equals and any NaN wins, as in PyTorch.
void max_at(const float* x, std::ptrdiff_t row, const Taps& taps, float* y, std::uint8_t* argmax) {
  Vec16 best = Vec16::broadcast(-infinity);
  Index winner[Vec16::parts];
  const int first = (taps.r0 - taps.first_r) * taps.kernel_w + (taps.c0 - taps.first_c);
  for (Index& part : winner) part = Index{} + first;
  for_each_tap(row, taps, [&](std::ptrdiff_t offset, int tap) {
    const Vec16 value = Vec16::load(x + offset);
    for (int i = 0; i < Vec16::parts; ++i) {
      const Index wins = (value.part[i] > best.part[i]) | (value.part[i] != value.part[i]);
      best.part[i] = wins ? value.part[i] : best.part[i];
      winner[i] = wins ? Index{} + tap : winner[i];
    }
  });
  best.store(y);
  for (int i = 0; i < Vec16::parts; ++i) {
    const Bytes bytes = __builtin_convertvector(winner[i], Bytes);
    __builtin_memcpy(argmax + i * native_lanes, &bytes, sizeof bytes);
  }
}

void max_scatter(const float* dy, const std::uint8_t* argmax, const Taps& taps, float* dx, std::ptrdiff_t row) {
  const Vec16 gradient = Vec16::load(dy);
  Index winner[Vec16::parts];
  for (int i = 0; i < Vec16::parts; ++i) {
    Bytes bytes;
    __builtin_memcpy(&bytes, argmax + i * native_lanes, sizeof bytes);
    winner[i] = __builtin_convertvector(bytes, Index);
  }
  for_each_tap(row, taps, [&](std::ptrdiff_t offset, int tap) {
    Vec16 sum = Vec16::load(dx + offset);
    for (int i = 0; i < Vec16::parts; ++i) {
      sum.part[i] += winner[i] == Index{} + tap ? gradient.part[i] : Vec16::Native{};
    }
    sum.store(dx + offset);
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
