#include "cuda/conv/trial.hpp"

#include "s2sam/mask_bits.hpp"

namespace s2sam::conv {

namespace {

/// Every byte, so that f32 and bf16 are 0.0115 and f16 is 1.06.
constexpr int content = 0x3C;

Way on(const Engine& engine, const Tensors& tensors) {
  return [&engine, &tensors](const Op& op) { engine(op, tensors); };
}

}  // namespace

bool Trial::allocate() {
  if (!memory_.empty()) return true;
  const Problem& p = problem_;
  const auto make = [this](Shape shape, DType dtype, Format format) {
    const auto bytes = static_cast<std::size_t>(shape.count()) * size_of(dtype);
    memory_.push_back(backend::allocate(stream_, bytes));
    void* const data = memory_.back().get();
    stream_.check(cudaMemsetAsync(data, content, bytes, stream_.handle()), "choice", "cudaMemsetAsync");
    return Tensor{shape, dtype, format, 0, data};
  };
  try {
    tensors_.x = make({p.n, p.c, p.h, p.w}, p.images, Format::activation);
    tensors_.y = make({p.n, p.o, p.out_h, p.out_w}, p.images, Format::activation);
    tensors_.w = make({p.o, p.c, p.kernel_h, p.kernel_w}, p.weights, Format::plain);
    if (p.kept_only) {
      tensors_.kept = make({mask_words(p.o * p.c * p.taps())}, DType::u32, Format::plain).as<const std::uint32_t>();
    }
    return true;
  } catch (const Error& error) {
    if (error.code() != Code::out_of_memory) throw;
    memory_.clear();
    return false;
  }
}

bool Trial::works(const Engine& engine) { return !allocate() || s2sam::works(stream_, on(engine, tensors_)); }

std::optional<Race> Trial::fastest(const std::vector<Engine>& engines) {
  if (!allocate()) return {};
  std::vector<Way> ways;
  for (const Engine& engine : engines) ways.push_back(on(engine, tensors_));
  return s2sam::fastest(stream_, ways);
}

}  // namespace s2sam::conv
