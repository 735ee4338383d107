# build/Release/s2sam_cuda.node: C++ by the C++ compiler, kernels (*.cu) by nvcc.
include(find_cuda)
s2sam_find_cuda()
if(S2SAM_CUDA_MISSING)
  message(FATAL_ERROR "CUDA is not to be had: ${S2SAM_CUDA_MISSING}")
endif()

# Machine code for the A100 (80) and the H100 and H200 (90); newer ones compile the PTX of 90 when they load it.
set(S2SAM_CUDA_ARCHITECTURES "80-real;90" CACHE STRING "In the form of CMAKE_CUDA_ARCHITECTURES")

set(CMAKE_CUDA_COMPILER "${S2SAM_NVCC}")
if(NOT DEFINED ENV{CUDAHOSTCXX})
  set(CMAKE_CUDA_HOST_COMPILER "${CMAKE_CXX_COMPILER}")
endif()
set(CMAKE_CUDA_ARCHITECTURES "${S2SAM_CUDA_ARCHITECTURES}")
# The nvcc of the wheels looks for its libraries in lib64, but they lie in lib; without them CMake takes it for broken.
get_filename_component(cudart_folder "${S2SAM_CUDART}" DIRECTORY)
set(ENV{LIBRARY_PATH} "${cudart_folder}:$ENV{LIBRARY_PATH}")
enable_language(CUDA)
if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20") # which CMake before 3.26 does not know
endif()
set(CMAKE_CUDA_FLAGS_RELEASE "-O3 -DNDEBUG")
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
set(CMAKE_CUDA_RUNTIME_LIBRARY None)

# 80-real -> sm_80, 90-virtual -> compute_90, 90 -> both; what info() tells.
set(architectures "")
foreach(architecture IN LISTS S2SAM_CUDA_ARCHITECTURES)
  string(REGEX MATCH "^[0-9]+[af]?" number "${architecture}")
  if(NOT architecture MATCHES "-virtual$")
    list(APPEND architectures "sm_${number}")
  endif()
  if(NOT architecture MATCHES "-real$")
    list(APPEND architectures "compute_${number}")
  endif()
endforeach()
list(JOIN architectures "," architectures)

s2sam_read_sources("${CMAKE_CURRENT_SOURCE_DIR}" cuda cuda_sources)
s2sam_read_sources("${CMAKE_CURRENT_SOURCE_DIR}" cudaKernels kernel_sources)
s2sam_add_addon(s2sam_cuda "${cuda_sources};${kernel_sources}")
target_include_directories(s2sam_cuda SYSTEM PRIVATE ${S2SAM_CUDA_INCLUDES})
target_compile_definitions(s2sam_cuda PRIVATE S2SAM_CUDA_ARCHITECTURES="${architectures}")
target_compile_options(s2sam_cuda PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr>")
target_link_libraries(s2sam_cuda PRIVATE "${S2SAM_CUDART}" rt ${CMAKE_DL_LIBS})
