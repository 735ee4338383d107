#pragma once

namespace s2sam {

/// Instruction sets the kernels are compiled for. `baseline` is x86-64-v2 or aarch64 with its NEON.
enum class Isa { baseline, avx2, avx512 };

const char* name_of(Isa isa);

/// The best one this processor and operating system support, lowered by the environment variable S2SAM_ISA
/// ("baseline", "avx2", "avx512") when it names a supported one. Throws Error{argument} for anything else.
Isa choose_isa();

}  // namespace s2sam
