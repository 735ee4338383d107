# Finds what s2sam_cuda.node is compiled with: nvcc and the headers of CUDA's libraries, in a CUDA toolkit or in NVIDIA's Python
# wheels. The libraries themselves are opened at run time (docs/decisions/0006), so the build does without them.
#
# Looked for in this order: CUDA_HOME or CUDA_PATH, the toolkit of the nvcc on PATH, native/.cuda (where scripts/fetch-cuda.mjs
# puts wheels), the active Python environment, /usr/local/cuda. CUDACXX names one nvcc and no other.
#
# As a script, `cmake -P find_cuda.cmake` prints "nvcc: <path>" or "missing: <one line that says what>".

set(S2SAM_OLDEST_CUDA 13.0)

# Sets `out` to the `nvidia` folders that pip made. This folder is cmake/ in the repository, native/cmake in the package.
function(s2sam_wheel_folders out)
  set(folders "")
  foreach(package "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../native" "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/..")
    get_filename_component(folder "${package}/.cuda/nvidia" ABSOLUTE)
    list(APPEND folders "${folder}")
  endforeach()
  if(NOT "$ENV{VIRTUAL_ENV}" STREQUAL "")
    file(GLOB environment LIST_DIRECTORIES true "$ENV{VIRTUAL_ENV}/lib/python3*/site-packages/nvidia")
    list(APPEND folders ${environment})
  endif()
  set(${out} "${folders}" PARENT_SCOPE)
endfunction()

# Sets S2SAM_NVCC and S2SAM_TOOLKIT, the folder it belongs to, or S2SAM_CUDA_MISSING.
function(s2sam_find_nvcc wheels)
  set(homes $ENV{CUDA_HOME} $ENV{CUDA_PATH})
  list(TRANSFORM homes APPEND "/bin")
  list(TRANSFORM wheels APPEND "/cu13/bin")
  if(NOT "$ENV{CUDACXX}" STREQUAL "")
    set(nvcc "$ENV{CUDACXX}")
  else()
    find_program(nvcc nvcc HINTS ${homes} PATHS ${wheels} /usr/local/cuda/bin NO_CACHE)
  endif()
  if(NOT nvcc)
    set(S2SAM_CUDA_MISSING "there is no nvcc; install the CUDA toolkit ${S2SAM_OLDEST_CUDA} or newer, or \
`npm run cuda:fetch -- --compiler` fetches one" PARENT_SCOPE)
    return()
  endif()
  execute_process(COMMAND "${nvcc}" --version OUTPUT_VARIABLE text ERROR_QUIET RESULT_VARIABLE code)
  if(NOT text MATCHES "release ([0-9]+\\.[0-9]+)")
    set(S2SAM_CUDA_MISSING "${nvcc} does not run" PARENT_SCOPE)
    return()
  elseif(CMAKE_MATCH_1 VERSION_LESS S2SAM_OLDEST_CUDA)
    set(S2SAM_CUDA_MISSING
      "${nvcc} is of CUDA ${CMAKE_MATCH_1}, but ${S2SAM_OLDEST_CUDA} or newer is needed" PARENT_SCOPE)
    return()
  endif()
  # Asked, not derived from the path: `nvcc` may be a script that calls the real one.
  execute_process(COMMAND "${nvcc}" --dryrun -x cu -c /dev/null ERROR_VARIABLE text OUTPUT_QUIET RESULT_VARIABLE code)
  if(text MATCHES "#\\$ TOP=([^\r\n]+)")
    get_filename_component(toolkit "${CMAKE_MATCH_1}" REALPATH)
  endif()
  set(S2SAM_NVCC "${nvcc}" PARENT_SCOPE)
  set(S2SAM_TOOLKIT "${toolkit}" PARENT_SCOPE)
endfunction()

# Sets S2SAM_CUDA_INCLUDES and S2SAM_CUDART, the static library, or S2SAM_CUDA_MISSING.
function(s2sam_find_cuda_files wheels)
  # The compiler's own headers first: those of another release would not fit it.
  set(headers "${S2SAM_TOOLKIT}/include" "${S2SAM_TOOLKIT}/include/cccl")
  set(libraries "${S2SAM_TOOLKIT}/lib64" "${S2SAM_TOOLKIT}/lib")
  foreach(wheel IN LISTS wheels)
    list(APPEND headers "${wheel}/cu13/include" "${wheel}/cu13/include/cccl" "${wheel}/cudnn/include")
    list(APPEND libraries "${wheel}/cu13/lib")
  endforeach()
  list(APPEND headers /usr/local/cuda/include /usr/include "/usr/include/${CMAKE_HOST_SYSTEM_PROCESSOR}-linux-gnu")

  set(includes "")
  set(missing "")
  foreach(header cuda_runtime.h crt/host_config.h cub/cub.cuh cublasLt.h cusparse.h cudnn.h)
    unset(folder)
    find_path(folder ${header} PATHS ${headers} NO_DEFAULT_PATH NO_CACHE)
    if(folder)
      list(APPEND includes "${folder}")
    else()
      list(APPEND missing ${header})
    endif()
  endforeach()
  find_file(cudart libcudart_static.a PATHS ${libraries} NO_DEFAULT_PATH NO_CACHE)
  if(NOT cudart)
    list(APPEND missing libcudart_static.a)
  endif()
  if(missing)
    list(JOIN missing ", " missing)
    set(S2SAM_CUDA_MISSING "there is ${S2SAM_NVCC}, but no ${missing}; `npm run cuda:fetch` fetches NVIDIA's Python \
wheels, which have that" PARENT_SCOPE)
    return()
  endif()
  list(REMOVE_DUPLICATES includes)
  list(REMOVE_ITEM includes /usr/include) # the compiler finds it, and must do so last
  set(S2SAM_CUDA_INCLUDES "${includes}" PARENT_SCOPE)
  set(S2SAM_CUDART "${cudart}" PARENT_SCOPE)
endfunction()

# Sets everything above, or S2SAM_CUDA_MISSING to one line.
macro(s2sam_find_cuda)
  set(S2SAM_CUDA_MISSING "")
  s2sam_wheel_folders(s2sam_wheels)
  s2sam_find_nvcc("${s2sam_wheels}")
  if(NOT S2SAM_CUDA_MISSING)
    s2sam_find_cuda_files("${s2sam_wheels}")
  endif()
endmacro()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  cmake_minimum_required(VERSION 3.21)
  s2sam_find_cuda()
  if(S2SAM_CUDA_MISSING)
    execute_process(COMMAND "${CMAKE_COMMAND}" -E echo "missing: ${S2SAM_CUDA_MISSING}")
  else()
    execute_process(COMMAND "${CMAKE_COMMAND}" -E echo "nvcc: ${S2SAM_NVCC}")
  endif()
endif()
