# Instruction-set variants: kernel files are compiled once per variant, each time into the namespace S2SAM_ISA names, and one
# is chosen at run time (src/cpu/isa.cc).

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  # Baseline first: an inline function that several files instantiate is taken from the first on the link line, which must be
  # one that every processor can run.
  set(S2SAM_ISAS baseline avx2 avx512)
  set(S2SAM_GENERIC_FLAGS -march=x86-64-v2)
  set(S2SAM_FLAGS_baseline -march=x86-64-v2)
  set(S2SAM_FLAGS_avx2 -march=x86-64-v2 -mavx2 -mfma -mf16c)
  set(S2SAM_FLAGS_avx512 ${S2SAM_FLAGS_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
else()
  set(S2SAM_ISAS baseline)
  set(S2SAM_GENERIC_FLAGS "")
  set(S2SAM_FLAGS_baseline "")
endif()

# Links `target` with a static library <target>_<isa> for every variant, in the order above. Libraries come after the target's
# own objects, object libraries would come before.
function(s2sam_add_kernels target sources)
  foreach(isa IN LISTS S2SAM_ISAS)
    set(library ${target}_${isa})
    add_library(${library} STATIC ${sources})
    target_compile_definitions(${library} PRIVATE S2SAM_ISA=${isa})
    target_compile_options(${library} PRIVATE ${S2SAM_FLAGS_${isa}} -fno-math-errno -fno-trapping-math)
    target_link_libraries(${library} PRIVATE s2sam_common)
    s2sam_warnings(${library})
    target_link_libraries(${target} PRIVATE ${library})
  endforeach()
endfunction()
