#include "cuda/conv/problem.hpp"

namespace s2sam::conv {

namespace {

const char* name_of(Pass pass) {
  switch (pass) {
    case Pass::forward: return "forward";
    case Pass::data: return "data";
    case Pass::weight: return "weight";
  }
  return "";
}

std::string pair(std::int64_t a, std::int64_t b) { return std::to_string(a) + "x" + std::to_string(b); }

}  // namespace

std::string Problem::name() const {
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  return std::string(conv::name_of(pass)) + "-" + s2sam::name_of(images) + "-" + s2sam::name_of(weights) + "-n" + number(n) +
         "c" + number(c) + "h" + number(h) + "w" + number(w) + "-o" + number(o) + "h" + number(out_h) + "w" + number(out_w) +
         "-k" + pair(kernel_h, kernel_w) + "-s" + pair(stride_h, stride_w) + "-p" + pair(pad_h, pad_w) +
         (accumulate ? "-accumulate" : "") + (kept_only ? "-kept" : "");
}

Problem problem_of(Pass pass, const Tensors& tensors, ops::Conv2d geometry, bool accumulate) {
  const auto& [x, w, y, kept] = tensors;
  return {pass,
          x.dtype,
          w.dtype,
          accumulate,
          kept != nullptr,
          x.shape[0],
          x.shape[1],
          x.shape[2],
          x.shape[3],
          y.shape[1],
          y.shape[2],
          y.shape[3],
          w.shape[2],
          w.shape[3],
          geometry.stride_h,
          geometry.stride_w,
          geometry.pad_h,
          geometry.pad_w};
}

Problem linear_problem_of(Pass pass, const Tensors& tensors, bool accumulate) {
  const auto& [x, w, y, kept] = tensors;
  return {pass, x.dtype, w.dtype, accumulate, kept != nullptr, x.shape[0], x.shape[1], 1, 1, y.shape[1], 1, 1, 1, 1, 1, 1, 0, 0};
}

}  // namespace s2sam::conv
