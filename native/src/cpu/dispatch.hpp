#pragma once

#include "cpu/isa.hpp"

/// S2SAM_KERNEL_TABLE(Type, name), used in namespace s2sam, declares s2sam::<isa>::name for every instruction set of
/// this processor family - a *.kernels.cc file, compiled once for each, defines them - and name_for(isa), which picks.
#if defined(__x86_64__)
#define S2SAM_KERNEL_TABLE(Type, name)             \
  namespace baseline {                             \
  extern const Type name;                          \
  }                                                \
  namespace avx2 {                                 \
  extern const Type name;                          \
  }                                                \
  namespace avx512 {                               \
  extern const Type name;                          \
  }                                                \
  inline const Type& name##_for(Isa isa) {         \
    if (isa == Isa::avx512) return avx512::name;   \
    if (isa == Isa::avx2) return avx2::name;       \
    return baseline::name;                         \
  }
#else
#define S2SAM_KERNEL_TABLE(Type, name)                           \
  namespace baseline {                                           \
  extern const Type name;                                        \
  }                                                              \
  inline const Type& name##_for(Isa) { return baseline::name; }
#endif
