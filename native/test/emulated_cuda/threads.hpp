#pragma once

#include <cstdint>
#include <functional>

#include <vector_types.h>

/// Runs CUDA kernels on the CPU, so that their logic is tested where there is no GPU: every thread of a block is a fiber, blocks run
/// one after another, and threads take turns only where they must wait for each other. Threads of odd blocks run in reverse order,
/// so that a forgotten barrier shows.
namespace emulated {

struct ThreadState {
  uint3 thread_index, block_index;
  dim3 block_size, grid_size;
};

/// Of the fiber that runs.
const ThreadState& thread();

/// Runs body for every thread of the grid.
void run_grid(dim3 grid, dim3 block, const std::function<void()>& body);

/// Waits for all threads of the block that have not ended.
void block_barrier();
/// The sum of `value` over all threads of the block.
int block_sum(int value);

/// Waits for the lanes of `mask`; every lane hands over `value` and may then look at the others' with warp_value.
void warp_exchange(std::uint32_t mask, std::uint64_t value);
/// What a lane handed over in the exchange that this lane was in last.
std::uint64_t warp_value(int lane);
/// Lanes of the warp that have not ended.
std::uint32_t warp_alive();
int lane();

}  // namespace emulated
