#include "cpu/conv/tuner.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <string>

#include "cpu/conv/blocking.hpp"
#include "cpu/conv/correlate.hpp"
#include "cpu/conv/dense_pass.hpp"
#include "cpu/conv/sparse_pass.hpp"
#include "s2sam/error.hpp"

namespace s2sam::conv {

namespace {

/// Products of one trial: enough for half a millisecond on two cores, so that tuning a network takes seconds.
constexpr double trial_products = 2e7;
constexpr int trial_repeats = 3;

enum class Wish { fastest, sparse, dense };

Wish wish() {
  const char* text = std::getenv("S2SAM_CPU_CONV");
  const std::string word = text == nullptr ? "" : text;
  if (word.empty()) return Wish::fastest;
  if (word == "sparse") return Wish::sparse;
  if (word == "dense") return Wish::dense;
  throw Error(Code::argument, "conv2d", "S2SAM_CPU_CONV is \"" + word + "\", but must be sparse, dense or empty");
}

std::string describe(const Tiling& tiling, int inputs) {
  const auto most = [](const Split& s) { return std::to_string((s.count + s.pieces - 1) / std::max(s.pieces, 1)); };
  std::string text = "sparse, " + most(tiling.rows) + "x" + most(tiling.cols) + " pixels";
  if (tiling.block_channels < inputs) text += ", " + std::to_string(tiling.block_channels) + " channels at a time";
  return text;
}

/// Fewer image blocks and strips, with about `products` kept products.
Grid part_of(const Call& call, const Pass& pass, Grid grid, double density, double products) {
  const double per_pixel = density * call.inputs() * call.outputs() * pass.h.taps() * pass.w.taps() *
                           ActivationLayout::lanes;
  const double strips = products / std::max(1.0, per_pixel * pass.w.count * pass.h.count / grid.rows.pieces);
  grid.strips = std::clamp(static_cast<int>(strips), std::min(4, grid.rows.pieces), grid.rows.pieces);
  grid.blocks = std::clamp(static_cast<int>(strips / grid.strips), 1, grid.blocks);
  return grid;
}

/// Milliseconds the whole pass would take, from the quickest of a few runs of a part of it.
template <class Run>
double time(const Call& call, const Grid& part, const Run& run) {
  run();
  double least = 1e9;
  for (int i = 0; i < trial_repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    run();
    least = std::min(least, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  return least * static_cast<double>(call.to.blocks * part.rows.pieces) / (part.blocks * part.strips);
}

/// Trials write to an output of their own, since the call's own may hold a gradient to be added to.
class Trial {
 public:
  Trial(const Call& call, const Mask& mask, const Pass& pass, double density)
      : mask_(mask),
        pass_(pass),
        density_(density),
        out_(call.out),
        call_{call.context, call.direction, call.in, out_, call.from, call.to, call.w, call.weights, false} {
    out_.data = memory_.at_least(static_cast<std::size_t>(bytes_of(call.out)));
    std::fill_n(out_.as<float>(), call.to.floats(), 0.0F);  // touches the memory, as in the long run
    choice_ = {call.context.running().op, call.context.running().label, density, "", {}};
  }

  void sparse(const Tiling& tiling) {
    if (tiling.block_channels != lists_channels_) {
      lists_ = make_lists(mask_, {call_.direction, pass_, call_.from.row, call_.from.plane, tiling.block_channels});
      lists_channels_ = tiling.block_channels;
    }
    const SparseRows rows = fill_entries(call_, lists_);
    const Grid part = part_of(call_, pass_, Grid::whole(call_, tiling.rows, tiling.cols), density_, trial_products);
    note(describe(tiling, call_.inputs()), {false, tiling},
         time(call_, part, [&] { run_sparse(call_, pass_, part, rows); }));
  }

  void dense() {
    const DenseRows rows = pack(call_, pass_);
    const Grid part = part_of(call_, pass_, dense_grid(call_, pass_), 1.0, trial_products);
    note("dense", {true, {}}, time(call_, part, [&] { run_dense(call_, pass_, part, rows); }));
  }

  std::pair<Tuned, backend::KernelChoice> result() const { return {best_, choice_}; }

 private:
  void note(std::string kernel, const Tuned& tuned, double milliseconds) {
    if (milliseconds < least_) {
      least_ = milliseconds;
      best_ = tuned;
      choice_.kernel = kernel;
    }
    choice_.candidates.emplace_back(std::move(kernel), milliseconds);
  }

  const Mask& mask_;
  const Pass& pass_;
  double density_;
  AlignedBuffer memory_;
  Tensor out_;
  Call call_;
  Lists lists_;
  int lists_channels_ = -1;
  Tuned best_{};
  double least_ = 1e300;
  backend::KernelChoice choice_;
};

std::pair<Tuned, backend::KernelChoice> tune(const Call& call, const Mask& mask, const Pass& pass, double density) {
  const SparseKernels& kernels = conv_sparse_kernels_for(call.context.isa());
  std::vector<Tiling> tilings = sparse_tilings(kernels, pass, call.inputs());
  std::stable_sort(tilings.begin(), tilings.end(),
                   [](const Tiling& a, const Tiling& b) { return a.block_channels > b.block_channels; });
  const Wish wanted = wish();
  Trial trial(call, mask, pass, density);
  if (wanted != Wish::dense) {
    for (const Tiling& tiling : tilings) trial.sparse(tiling);
  }
  if (wanted == Wish::dense || (wanted == Wish::fastest && density > dense_tried_above)) trial.dense();
  return trial.result();
}

}  // namespace

bool pinned() { return wish() != Wish::fastest; }

void note_rule(Context& context, double density, const char* kernel) {
  context.choices().note({context.running().op, context.running().label, density, kernel, {}, {}});
}

Plan make_plan(const Call& call, Mask& mask, const std::vector<Pass>& passes, const PlanKey& key) {
  const double kept = density(&mask);
  auto& tunings = call.context.keep<Tunings>();
  Plan plan;
  const backend::KernelChoice* told = nullptr;
  int most_taps = -1;
  for (std::size_t i = 0; i < passes.size(); ++i) {
    const Pass& pass = passes[i];
    const int taps = pass.h.taps() * pass.w.taps();
    const TuningKey tuning{key, static_cast<int>(i), call.inputs(), call.outputs(),
                           static_cast<int>(std::lround(4 * std::log2(std::max(kept, 1e-6))))};
    auto found = tunings.find(tuning);
    if (found == tunings.end()) found = tunings.emplace(tuning, tune(call, mask, pass, kept)).first;
    const auto& [tuned, choice] = found->second;
    Lists lists;
    if (!tuned.dense) {
      lists = make_lists(mask, {call.direction, pass, call.from.row, call.from.plane, tuned.tiling.block_channels});
    }
    plan.push_back({tuned.dense, tuned.tiling, std::move(lists)});
    if (taps > most_taps) told = &choice;
    most_taps = std::max(most_taps, taps);
  }
  if (told != nullptr) {
    backend::KernelChoice mine = *told;
    mine.op = call.context.running().op;
    mine.label = call.context.running().label;
    mine.density = kept;
    call.context.choices().note(std::move(mine));
  }
  return plan;
}

}  // namespace s2sam::conv
