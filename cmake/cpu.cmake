# build/Release/s2sam_cpu.node: sources compiled once, and kernels compiled once per instruction set.
s2sam_read_sources("${CMAKE_CURRENT_SOURCE_DIR}" addon addon_sources)
s2sam_read_sources("${CMAKE_CURRENT_SOURCE_DIR}" cpu cpu_sources)
s2sam_read_sources("${CMAKE_CURRENT_SOURCE_DIR}" cpuKernels kernel_sources)
s2sam_add_addon(s2sam_cpu "${addon_sources};${cpu_sources}")
s2sam_add_kernels(s2sam_cpu "${kernel_sources}")
