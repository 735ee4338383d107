#include "cpu/peaks.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "cpu/peaks.kernels.hpp"

namespace s2sam {

namespace {

constexpr int tries = 5;
constexpr double lanes = 16, flops_per_lane = 2;

/// Seconds of the quickest of several runs of body(thread) on all threads at once.
template <class Body>
double quickest(Context& context, const Body& body) {
  double least = 1e9;
  for (int i = 0; i < tries; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    context.parallel(context.threads(), body);
    least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return least;
}

double arithmetic(Context& context, const PeakKernels& kernels) {
  constexpr std::ptrdiff_t rounds = 1'000'000;
  std::vector<float> results(static_cast<std::size_t>(context.threads()));
  const double seconds =
      quickest(context, [&](std::ptrdiff_t thread) { results[thread] = kernels.arithmetic(rounds); });
  return context.threads() * static_cast<double>(rounds) * kernels.chains * lanes * flops_per_lane / seconds / 1e9;
}

/// With one operand loaded from a buffer of this size, one for each thread.
double loaded(Context& context, const PeakKernels& kernels, std::ptrdiff_t bytes) {
  const std::ptrdiff_t round = kernels.chains * static_cast<std::ptrdiff_t>(lanes);
  const std::ptrdiff_t floats = bytes / static_cast<std::ptrdiff_t>(sizeof(float)) / round * round;
  const std::ptrdiff_t rounds = 20'000'000 / floats + 1;
  std::vector<AlignedBuffer> buffers(static_cast<std::size_t>(context.threads()));
  for (AlignedBuffer& buffer : buffers) std::memset(buffer.at_least(bytes), 0, bytes);
  std::vector<float> results(buffers.size());
  const double seconds = quickest(context, [&](std::ptrdiff_t thread) {
    results[thread] = kernels.loaded(static_cast<const float*>(buffers[thread].at_least(bytes)), floats, rounds);
  });
  return context.threads() * static_cast<double>(rounds * floats) * flops_per_lane / seconds / 1e9;
}

double copy(Context& context) {
  constexpr std::size_t bytes = std::size_t{64} << 20;
  std::vector<AlignedBuffer> from(static_cast<std::size_t>(context.threads())), to(from.size());
  for (AlignedBuffer& buffer : from) std::memset(buffer.at_least(bytes), 1, bytes);
  for (AlignedBuffer& buffer : to) std::memset(buffer.at_least(bytes), 2, bytes);
  const double seconds = quickest(context, [&](std::ptrdiff_t thread) {
    std::memcpy(to[thread].at_least(bytes), from[thread].at_least(bytes), bytes);
  });
  return context.threads() * 2.0 * bytes / seconds / 1e9;
}

}  // namespace

backend::Peaks measure_peaks(Context& context) {
  const PeakKernels& kernels = peak_kernels_for(context.isa());
  return {.arithmetic = arithmetic(context, kernels),
          .first_level = loaded(context, kernels, 16 << 10),
          .second_level = loaded(context, kernels, 192 << 10),
          .memory = copy(context)};
}

}  // namespace s2sam
