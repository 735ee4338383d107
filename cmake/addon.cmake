# What the binaries of all backends have in common.

add_library(s2sam_common INTERFACE)
target_include_directories(s2sam_common INTERFACE include src)
target_link_libraries(s2sam_common INTERFACE Threads::Threads)

file(READ package.json package_json)
string(JSON package_version GET "${package_json}" version)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS package.json)

# build/Release/<name>.node from sources.
function(s2sam_add_addon name sources)
  add_library(${name} MODULE ${sources})
  target_link_libraries(${name} PRIVATE s2sam_common)
  s2sam_warnings(${name})
  target_compile_definitions(${name} PRIVATE
    NAPI_VERSION=8 NAPI_CPP_EXCEPTIONS NODE_ADDON_API_REQUIRE_BASIC_FINALIZERS S2SAM_VERSION="${package_version}")
  target_compile_options(${name} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${S2SAM_GENERIC_FLAGS}>")
  target_include_directories(${name} SYSTEM PRIVATE ${CMAKE_JS_INC})
  set_target_properties(${name} PROPERTIES
    PREFIX "" SUFFIX ".node" LINKER_LANGUAGE CXX LIBRARY_OUTPUT_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/build/$<CONFIG>")
  # nodelete: code of the addon must not vanish under a thread that is just ending when a worker is unloaded. now: a missing
  # symbol fails at loading, where it can be explained.
  target_link_options(${name} PRIVATE -Wl,-z,nodelete -Wl,-z,now -Wl,--exclude-libs,ALL)
  if(S2SAM_STATIC_STDCXX)
    target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc)
  endif()
endfunction()
