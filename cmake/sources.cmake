# native/sources.json is the one list of source files; this build, binding.gyp and a test read it.

# Sets `out` to the absolute paths of a group ("addon", "cpu", "cpuKernels").
function(s2sam_read_sources root group out)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${root}/sources.json")
  file(READ "${root}/sources.json" json)
  string(JSON count LENGTH "${json}" "${group}")
  set(paths "")
  if(count GREATER 0)
    math(EXPR last "${count} - 1")
    foreach(index RANGE ${last})
      string(JSON path GET "${json}" "${group}" ${index})
      list(APPEND paths "${root}/${path}")
    endforeach()
  endif()
  set(${out} "${paths}" PARENT_SCOPE)
endfunction()
