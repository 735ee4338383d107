#include "cuda/sparse/sparse.hpp"

#include <cmath>
#include <limits>
#include <utility>

#include "cuda/mask/plans.hpp"
#include "cuda/sparse/compiled.hpp"

namespace s2sam::sparse {

namespace {

using conv::Pass;

constexpr float one = 1.0F, zero = 0.0F;
/// The only algorithm for compressed rows whose results do not vary.
constexpr cusparseSpMMAlg_t product_algorithm = CUSPARSE_SPMM_CSR_ALG3;
constexpr cusparseOperation_t as_is = CUSPARSE_OPERATION_NON_TRANSPOSE;

/// The dense matrices of a product, transposed: cuSPARSE wants the sparse factor on the left.
struct Dense {
  cusparse::DenseMatrix left;   ///< forward: x^T, data and weight: dy^T
  cusparse::DenseMatrix right;  ///< forward: y^T, data: dx^T, weight: x^T
};

Dense dense_of(const cusparse::Api& api, const conv::Problem& problem, const conv::Tensors& tensors) {
  const std::int64_t pixels = problem.pixels_in();
  const auto x = [&] { return cusparse::columns(api, problem.c, pixels, tensors.x.data, problem.images); };
  const auto y = [&] { return cusparse::columns(api, problem.o, pixels, tensors.y.data, problem.images); };
  switch (problem.pass) {
    case Pass::forward: return {x(), y()};
    case Pass::data: return {y(), x()};
    case Pass::weight: break;
  }
  return {y(), x()};
}

/// cuSPARSE samples no products of bf16 in compressed rows, and prints a line to stderr each time it is asked.
bool takes_types(const conv::Problem& problem) { return problem.pass != Pass::weight || problem.images != DType::bf16; }

bool suits(const conv::Problem& problem, const ops::MaskRef& mask) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  return mask != nullptr && problem.is_product() && (problem.pass != Pass::weight || problem.kept_only) &&
         takes_types(problem) && mask->count < most && problem.pixels_in() < most;
}

/// What is compiled from the mask's bits of now; empty when they are new.
Compiled& compiled_of(Mask& mask) {
  std::shared_ptr<Compiled>& compiled = plans_of(mask).compiled;
  if (compiled == nullptr || compiled->version != mask.version) {
    compiled = std::make_shared<Compiled>();
    compiled->version = mask.version;
  }
  return *compiled;
}

void wait_for(const Op& op, const Stream& stream) { op.check(cudaStreamSynchronize(stream.handle()), "cudaStreamSynchronize"); }

/// Calls body(Op) with an op whose work is not recorded, and waits for that, so that every stream may use it.
template <class Body>
void unrecorded(const Op& op, const Body& body) {
  if (!op.stream().capturing()) {
    body(op);
    return wait_for(op, op.stream());
  }
  const BesideCapture beside;
  op.stream().part<cusparse::Handle>();  // made now, since a step that is recorded cannot
  Stream& stream = op.stream().beside();
  stream.submit(op.name(), body);
  wait_for(op, stream);
}

/// The rows that the pass needs: of W, and for the gradient of the input of W^T.
const Pattern& pattern_of(const Op& op, Compiled& compiled, const Mask& mask, Pass pass) {
  if (!compiled.rows) compiled.rows.emplace(op, mask, false, Pattern::unknown);
  if (pass != Pass::data) return *compiled.rows;
  if (!compiled.transposed) compiled.transposed.emplace(op, mask, true, compiled.rows->kept());
  return *compiled.transposed;
}

cusparseStatus_t buffer_bytes(const cusparse::Handle& handle, Pass pass, const Dense& dense,
                              cusparseSpMatDescr_t matrix, std::size_t& bytes) {
  if (pass == Pass::weight) {
    return handle.api().sampled_buffer(handle.get(), as_is, CUSPARSE_OPERATION_TRANSPOSE, &one, dense.left.get(),
                                       dense.right.get(), &zero, matrix, CUDA_R_32F, CUSPARSE_SDDMM_ALG_DEFAULT,
                                       &bytes);
  }
  return handle.api().product_buffer(handle.get(), as_is, as_is, &one, matrix, dense.left.get(), &zero,
                                     dense.right.get(), CUDA_R_32F, product_algorithm, &bytes);
}

cusparseStatus_t preprocess(const cusparse::Handle& handle, const conv::Problem& problem, const Dense& dense,
                            const Plan& plan) {
  const float* beta = problem.accumulate ? &one : &zero;
  if (problem.pass == Pass::weight) {
    return handle.api().sampled_prepare(handle.get(), as_is, CUSPARSE_OPERATION_TRANSPOSE, &one, dense.left.get(),
                                        dense.right.get(), &zero, plan.matrix.get(), CUDA_R_32F,
                                        CUSPARSE_SDDMM_ALG_DEFAULT, plan.buffer->as<void>());
  }
  return handle.api().product_prepare(handle.get(), as_is, as_is, &one, plan.matrix.get(), dense.left.get(), beta,
                                      dense.right.get(), CUDA_R_32F, product_algorithm, plan.buffer->as<void>());
}

/// The type of the sparse matrix: a gradient is f32, a factor of the other factor's type.
DType values_type(const conv::Problem& problem) { return problem.pass == Pass::weight ? DType::f32 : problem.images; }

void* values_in_scratch(const Op& op, const conv::Problem& problem, const Pattern& pattern) {
  return op.scratch(static_cast<std::size_t>(pattern.kept()) * size_of(values_type(problem)));
}

/// Nothing where cuSPARSE refuses. Throws Error{out_of_memory} where its buffer does not fit.
Plan make_plan(const Op& op, const conv::Problem& problem, const conv::Tensors& tensors, const Pattern& pattern) {
  if (pattern.kept() == 0) return {};
  const cusparse::Handle& handle = op.stream().part<cusparse::Handle>();
  Plan plan;
  plan.matrix = cusparse::csr(handle.api(), pattern.rows(), pattern.columns(), pattern.kept(), pattern.offsets(),
                              pattern.column_of(), values_in_scratch(op, problem, pattern), values_type(problem));
  const Dense dense = dense_of(handle.api(), problem, tensors);
  std::size_t bytes = 0;
  if (buffer_bytes(handle, problem.pass, dense, plan.matrix.get(), bytes) != CUSPARSE_STATUS_SUCCESS) return {};
  plan.buffer = std::make_unique<KeptBlock>(op.stream(), bytes);
  if (preprocess(handle, problem, dense, plan) != CUSPARSE_STATUS_SUCCESS) return {};
  return plan;
}

/// The plan, or an empty one where there is not the memory for it: the dense engines need none.
Plan plan_that_fits(const Op& op, const conv::Problem& problem, const conv::Tensors& tensors, Compiled& compiled, const Mask& mask) {
  try {
    return make_plan(op, problem, tensors, pattern_of(op, compiled, mask, problem.pass));
  } catch (const Error& error) {
    if (error.code() != Code::out_of_memory) throw;
    return {};
  }
}

void run_product(const Op& op, const cusparse::Handle& handle, const conv::Problem& problem,
                 const conv::Tensors& tensors, const Pattern& pattern, const Plan& plan, void* values) {
  gather_values(op, pattern, tensors.w, problem.images, values);
  const Dense dense = dense_of(handle.api(), problem, tensors);
  handle.api().check(handle.api().product(handle.get(), as_is, as_is, &one, plan.matrix.get(), dense.left.get(),
                                          problem.accumulate ? &one : &zero, dense.right.get(), CUDA_R_32F,
                                          product_algorithm, plan.buffer->as<void>()),
                     "cusparseSpMM");
}

void run_sampled(const Op& op, const cusparse::Handle& handle, const conv::Problem& problem,
                 const conv::Tensors& tensors, const Pattern& pattern, const Plan& plan, void* values) {
  const Dense dense = dense_of(handle.api(), problem, tensors);
  handle.api().check(
      handle.api().sampled(handle.get(), as_is, CUSPARSE_OPERATION_TRANSPOSE, &one, dense.left.get(), dense.right.get(),
                           &zero, plan.matrix.get(), CUDA_R_32F, CUSPARSE_SDDMM_ALG_DEFAULT, plan.buffer->as<void>()),
      "cusparseSDDMM");
  scatter_values(op, pattern, static_cast<const float*>(values), problem.accumulate, tensors.w);
}

}  // namespace

bool usable(const Op& op, const conv::Problem& problem, const conv::Tensors& tensors, const ops::MaskRef& mask) {
  if (!suits(problem, mask) || cusparse::Api::find() == nullptr || plans_of(*mask).edited_by_recording) return false;
  Compiled& compiled = compiled_of(*mask);
  if (compiled.plans.find(problem) == compiled.plans.end()) {
    unrecorded(op, [&](const Op& now) {
      compiled.plans.emplace(problem, plan_that_fits(now, problem, tensors, compiled, *mask));
    });
  }
  return compiled.plans.at(problem).matrix != nullptr;
}

bool ran(const conv::Problem& problem, Mask& mask) { return compiled_of(mask).plans.at(problem).ran; }

int half_percent_kept(Mask& mask) {
  const double kept = static_cast<double>(plans_of(mask).compiled->rows->kept());
  return static_cast<int>(std::lround(200 * kept / static_cast<double>(mask.count)));
}

void run(const Op& op, const conv::Problem& problem, const conv::Tensors& tensors, const ops::MaskRef& mask) {
  const cusparse::Handle& handle = op.stream().part<cusparse::Handle>();
  const std::shared_ptr<Compiled> compiled = plans_of(*mask).compiled;
  const Pattern& pattern = problem.pass == Pass::data ? *compiled->transposed : *compiled->rows;
  Plan& plan = compiled->plans.at(problem);
  void* values = values_in_scratch(op, problem, pattern);
  handle.api().check(handle.api().set_values(plan.matrix.get(), values), "cusparseSpMatSetValues");
  if (problem.pass == Pass::weight) {
    run_sampled(op, handle, problem, tensors, pattern, plan, values);
  } else {
    run_product(op, handle, problem, tensors, pattern, plan, values);
  }
  plan.ran = true;
  op.stream().note_pattern({mask, compiled->version, compiled});
}

}  // namespace s2sam::sparse
