#include "threads.hpp"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <vector>

namespace emulated {

namespace {

constexpr std::size_t stack_bytes = 64 * 1024;
constexpr int warp_size = 32;
constexpr int most_threads = 1024;

struct Warp {
  std::uint32_t alive = 0, arrived = 0;
  std::uint64_t generation = 0;
  std::uint64_t value[2][warp_size] = {};  // of even and odd generations
};

struct Fiber {
  void* stack_pointer = nullptr;
  char* stack = nullptr;
  ThreadState state{};
  int linear = 0;
  std::uint64_t exchanged = 0;  // generation of the last exchange
  bool ended = true;
};

/// Everything of the block that runs.
struct Block {
  std::vector<Fiber> fibers{most_threads};
  Warp warps[most_threads / warp_size];
  const std::function<void()>* body = nullptr;
  void* scheduler = nullptr;
  Fiber* current = nullptr;
  int alive = 0, arrived = 0, sum = 0, last_sum = 0;
  std::uint64_t generation = 0;
  std::uint64_t progress = 0;
};

Block& block() {
  static Block instance;
  return instance;
}

/// Saves the registers a callee must keep and continues on another stack.
extern "C" void emulated_switch(void** from, void* to);

#if defined(__x86_64__)
asm(R"(
.text
.globl emulated_switch
.type emulated_switch, @function
emulated_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size emulated_switch, .-emulated_switch
)");
constexpr int saved_registers = 6;
#else
#error "the emulated CUDA build is for x86-64"
#endif

void yield() { emulated_switch(&block().current->stack_pointer, block().scheduler); }

void release_block_if_complete() {
  Block& b = block();
  if (b.alive == 0 || b.arrived < b.alive) return;
  b.arrived = 0;
  b.last_sum = b.sum;
  b.sum = 0;
  ++b.generation;
  ++b.progress;
}

void release_warp_if_complete(Warp& warp, std::uint32_t mask) {
  const std::uint32_t wanted = mask & warp.alive;
  if (wanted == 0 || (warp.arrived & wanted) != wanted) return;
  warp.arrived = 0;
  ++warp.generation;
  ++block().progress;
}

Warp& warp_of(const Fiber& fiber) { return block().warps[fiber.linear / warp_size]; }

void fiber_main() {
  for (;;) {
    (*block().body)();
    Block& b = block();
    Fiber& self = *b.current;
    self.ended = true;
    --b.alive;
    Warp& warp = warp_of(self);
    warp.alive &= ~(1u << (self.linear % warp_size));
    ++b.progress;
    release_block_if_complete();
    if (warp.arrived != 0) release_warp_if_complete(warp, warp.alive);
    yield();
  }
}

void prepare(Fiber& fiber) {
  if (fiber.stack == nullptr) {
    void* memory = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    fiber.stack = static_cast<char*>(memory);
  }
  // The stack looks as if fiber_main's caller had switched away.
  auto** top = reinterpret_cast<void**>(fiber.stack + stack_bytes) - 1;  // as aligned as at any call
  *top = nullptr;
  *--top = reinterpret_cast<void*>(&fiber_main);
  for (int i = 0; i < saved_registers; ++i) *--top = nullptr;
  fiber.stack_pointer = top;
  fiber.ended = false;
}

void run_block(const ThreadState& first, int threads, bool reverse) {
  Block& b = block();
  b.alive = threads;
  b.arrived = b.sum = 0;
  for (int w = 0; w * warp_size < threads; ++w) {
    const int lanes = threads - w * warp_size;
    b.warps[w] = Warp{};
    b.warps[w].alive = lanes >= warp_size ? 0xFFFFFFFFu : (1u << lanes) - 1u;
  }
  for (int t = 0; t < threads; ++t) {
    Fiber& fiber = b.fibers[static_cast<std::size_t>(t)];
    prepare(fiber);
    fiber.linear = t;
    fiber.state = first;
    const auto u = static_cast<unsigned>(t);
    fiber.state.thread_index = {u % first.block_size.x, u / first.block_size.x % first.block_size.y,
                                u / (first.block_size.x * first.block_size.y)};
  }
  while (b.alive > 0) {
    const std::uint64_t before = b.progress;
    for (int i = 0; i < threads; ++i) {
      Fiber& fiber = b.fibers[static_cast<std::size_t>(reverse ? threads - 1 - i : i)];
      if (fiber.ended) continue;
      b.current = &fiber;
      emulated_switch(&b.scheduler, fiber.stack_pointer);
    }
    if (b.progress == before) {
      std::fputs("emulated CUDA: the threads of a block wait for each other for ever (a barrier that not all reach)\n", stderr);
      std::abort();
    }
  }
}

/// S2SAM_EMULATED_BLOCKS=reverse: a kernel must not care in which order its blocks run.
bool last_block_first() {
  static const bool reverse = [] {
    const char* text = std::getenv("S2SAM_EMULATED_BLOCKS");
    return text != nullptr && std::string_view(text) == "reverse";
  }();
  return reverse;
}

}  // namespace

const ThreadState& thread() { return block().current->state; }

void run_grid(dim3 grid, dim3 size, const std::function<void()>& body) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  const int threads = static_cast<int>(size.x * size.y * size.z);
  block().body = &body;
  const unsigned blocks = grid.x * grid.y * grid.z;
  for (unsigned i = 0; i < blocks; ++i) {
    const unsigned b = last_block_first() ? blocks - 1 - i : i;
    run_block({{0, 0, 0}, {b % grid.x, b / grid.x % grid.y, b / (grid.x * grid.y)}, size, grid}, threads, i % 2 == 1);
  }
}

void block_barrier() { block_sum(0); }

int block_sum(int value) {
  Block& b = block();
  const std::uint64_t generation = b.generation;
  b.sum += value;
  ++b.arrived;
  release_block_if_complete();
  while (b.generation == generation) yield();
  return b.last_sum;
}

void warp_exchange(std::uint32_t mask, std::uint64_t value) {
  Fiber& self = *block().current;
  Warp& warp = warp_of(self);
  const std::uint64_t generation = warp.generation;
  const int here = self.linear % warp_size;
  warp.value[generation % 2][here] = value;
  warp.arrived |= 1u << here;
  release_warp_if_complete(warp, mask);
  while (warp.generation == generation) yield();
  self.exchanged = generation;
}

std::uint64_t warp_value(int lane) {
  const Fiber& self = *block().current;
  return warp_of(self).value[self.exchanged % 2][lane % warp_size];
}

std::uint32_t warp_alive() { return warp_of(*block().current).alive; }

int lane() { return block().current->linear % warp_size; }

}  // namespace emulated
