#include "s2sam/mask_bits.hpp"

#include <algorithm>
#include <bit>

#include "cpu/chunks.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

/// Calls body(bits, first element, how many) for every word of the mask.
template <class Body>
void for_each_word(Context& context, const Mask& mask, const Body& body) {
  const auto* bits = mask.bits.as<const std::uint32_t>();
  parallel_chunks(context, mask.count, [&](std::ptrdiff_t, std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t i = begin; i < end; i += 32) {
      body(bits[i / 32], i, static_cast<int>(std::min<std::ptrdiff_t>(32, end - i)));
    }
  });
}

/// Sets every word to source(word), less the bits past the end.
template <class Source>
void set_words(Mask& mask, const Source& source) {
  auto* bits = mask.bits.as<std::uint32_t>();
  for (std::int64_t word = 0; word < mask_words(mask.count); ++word) {
    bits[word] = source(word) & valid_bits(word, mask.count);
  }
  ++mask.version;
}

}  // namespace

void mask_fill(Stream& stream, MaskRef mask, bool keep) {
  stream.submit("maskFill", [=](Context&) {
    set_words(*mask, [keep](std::int64_t) { return keep ? 0xFFFFFFFFu : 0u; });
  });
}

void mask_write(Stream& stream, MaskRef mask, Tensor words) {
  stream.submit("maskWrite", [=](Context&) {
    set_words(*mask, [&](std::int64_t word) { return words.as<const std::uint32_t>()[word]; });
  });
}

void mask_combine(Stream& stream, Combine op, MaskRef other, MaskRef into) {
  stream.submit("maskCombine", [=](Context&) {
    const auto* theirs = other->bits.as<const std::uint32_t>();
    const auto* ours = into->bits.as<const std::uint32_t>();
    set_words(*into, [&](std::int64_t word) {
      switch (op) {
        case Combine::intersect: return ours[word] & theirs[word];
        case Combine::unite: return ours[word] | theirs[word];
        case Combine::subtract: return ours[word] & ~theirs[word];
        case Combine::copy: break;
      }
      return theirs[word];
    });
  });
}

void mask_apply(Stream& stream, MaskRef mask, Tensor x, Tensor y) {
  stream.submit("maskApply", [=](Context& context) {
    for_each_word(context, *mask, [&](std::uint32_t bits, std::ptrdiff_t first, int count) {
      const float* from = x.as<const float>() + first;
      float* to = y.as<float>() + first;
      for (int i = 0; i < count; ++i) to[i] = (bits >> i) & 1u ? from[i] : 0.0F;
    });
  });
}

void mask_expand(Stream& stream, MaskRef mask, Tensor y) {
  stream.submit("maskExpand", [=](Context& context) {
    for_each_word(context, *mask, [&](std::uint32_t bits, std::ptrdiff_t first, int count) {
      float* to = y.as<float>() + first;
      for (int i = 0; i < count; ++i) to[i] = static_cast<float>((bits >> i) & 1u);
    });
  });
}

void mask_summary(Stream& stream, MaskRef mask, Tensor summary) {
  stream.submit("maskSummary", [=](Context&) {
    const auto* bits = mask->bits.as<const std::uint32_t>();
    std::uint32_t kept = 0;
    Fnv1a checksum;
    for (std::int64_t word = 0; word < mask_words(mask->count); ++word) {
      kept += static_cast<std::uint32_t>(std::popcount(bits[word]));
      checksum.add(bits[word]);
    }
    auto* out = summary.as<std::uint32_t>();
    out[0] = kept;
    out[1] = static_cast<std::uint32_t>(checksum.hash);
    out[2] = static_cast<std::uint32_t>(checksum.hash >> 32);
  });
}

}  // namespace s2sam::ops
