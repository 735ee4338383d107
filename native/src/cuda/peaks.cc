#include "cuda/peaks.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>

#include "cuda/libraries/cublas.hpp"
#include "cuda/stream/kept_block.hpp"
#include "cuda/stream/timed.hpp"
#include "s2sam/ops.hpp"

namespace s2sam {

namespace {

constexpr const char* op_name = "measurePeaks";
constexpr int rounds = 8;
/// For each multiprocessor: far more than its share of the cache, and enough work that starting and ending do not count.
constexpr std::int64_t side_per_processor = 64;
constexpr std::size_t copied_per_processor = std::size_t{16} << 20;

template <class Body>
double best_seconds(Stream& stream, const Body& body) {
  const auto once = [&] { return static_cast<double>(timed(stream, op_name, [&] { stream.submit(op_name, body); })) / 1e3; };
  double best = once();
  for (int i = 0; i < rounds; ++i) best = std::min(best, once());
  return best;
}

double copied_gigabytes_per_second(Stream& stream) {
  const std::size_t bytes = copied_per_processor * static_cast<std::size_t>(stream.limits().processors);
  const KeptBlock from(stream, bytes), to(stream, bytes);
  const double seconds = best_seconds(stream, [&](const Op& op) {
    op.check(cudaMemcpyAsync(to.as<void>(), from.as<void>(), bytes, cudaMemcpyDeviceToDevice, op.handle()), "cudaMemcpyAsync");
  });
  return 2 * static_cast<double>(bytes) / seconds / 1e9;
}

/// Normally distributed [side, side]: a chip may be faster on numbers that do not change its bits.
Tensor random_matrix(Stream& stream, const KeptBlock& memory, const KeptBlock& f32, std::int64_t side, DType dtype) {
  const Tensor values{{side, side}, DType::f32, Format::plain, 0, f32.as<void>()};
  const Tensor result{{side, side}, dtype, Format::plain, 0, memory.as<void>()};
  ops::random_normal(stream, 1, static_cast<std::uint32_t>(side), 0, 1, values);
  ops::copy(stream, values, result);
  return result;
}

double product_gigaflops(Stream& stream, const Cublas& cublas, DType dtype) {
  const std::int64_t side = side_per_processor * stream.limits().processors;
  const std::size_t bytes = static_cast<std::size_t>(side * side) * sizeof(float);
  const KeptBlock a(stream, bytes), b(stream, bytes), c(stream, bytes);
  const Tensor left = random_matrix(stream, a, c, side, dtype), right = random_matrix(stream, b, c, side, dtype);
  const double seconds = best_seconds(stream, [&](const Op& op) {
    cublas.multiply(op, side, side, side, {left.data, dtype}, {right.data, dtype, true}, false, c.as<void>(), dtype);
  });
  const auto n = static_cast<double>(side);
  return 2 * n * n * n / seconds / 1e9;
}

}  // namespace

backend::Peaks measure_peaks(Stream& stream) {
  const std::unique_ptr<Cublas> cublas = Cublas::open();
  if (cublas == nullptr) throw Error(Code::device, op_name, "there is no cuBLAS to measure with; see `s2sam doctor`");
  backend::Peaks peaks;
  peaks.memory = copied_gigabytes_per_second(stream);
  peaks.arithmetic = product_gigaflops(stream, *cublas, DType::f32);
  peaks.half_arithmetic = product_gigaflops(stream, *cublas, DType::bf16);
  return peaks;
}

}  // namespace s2sam
