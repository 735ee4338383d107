# Instruction-set variants: kernel files are compiled once per variant, each time into the namespace S2SAM_ISA names, and one
# is chosen at run time (src/cpu/isa.cc).

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  # Baseline first: inline functions that several variants instantiate are taken from the first object on the link line, so
  # that one which every processor can run is the one that stays.
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

# Adds the object library <target>_<isa> for every variant and links them into `target`, in the order above.
function(s2sam_add_kernels target sources)
  foreach(isa IN LISTS S2SAM_ISAS)
    set(library ${target}_${isa})
    add_library(${library} OBJECT ${sources})
    target_compile_definitions(${library} PRIVATE S2SAM_ISA=${isa})
    target_compile_options(${library} PRIVATE ${S2SAM_FLAGS_${isa}} -fno-math-errno -fno-trapping-math)
    target_link_libraries(${library} PRIVATE s2sam_common)
    s2sam_warnings(${library})
    target_link_libraries(${target} PRIVATE ${library})
  endforeach()
endfunction()
