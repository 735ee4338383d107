# Warnings for our own code.
function(s2sam_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra)
endfunction()
