#include "cpu/isa.hpp"

#include <cstdlib>
#include <string>
#include <string_view>

#include "s2sam/error.hpp"

namespace s2sam {

namespace {

Isa best_supported() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq")) {
    return Isa::avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
  return Isa::baseline;
}

}  // namespace

const char* name_of(Isa isa) {
  switch (isa) {
    case Isa::baseline: return "baseline";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
  }
  return "unknown";
}

Isa choose_isa() {
  const Isa best = best_supported();
  const char* wish = std::getenv("S2SAM_ISA");
  if (wish == nullptr || *wish == '\0') return best;
  for (Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (std::string_view(wish) == name_of(isa) && isa <= best) return isa;
  }
  throw Error(Code::argument, "openDevice",
              std::string("S2SAM_ISA is '") + wish + "', but this processor runs baseline to " + name_of(best) +
                  "; unset it or name one of these");
}

}  // namespace s2sam
