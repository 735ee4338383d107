// Stands in for NVIDIA's driver, libcuda.so.1, where there is none. cuDNN names engines that compile their kernels only where it finds
// these functions, and hands each kernel it compiled to them. This driver takes kernels without a look, says that there is no device,
// and refuses all else: plans can be made with it, but nothing can run.

namespace {

constexpr int success = 0, no_device = 100, stub_library = 34;  // of CUresult

}  // namespace

extern "C" {

int cuInit(unsigned) { return no_device; }

int cuDriverGetVersion(int* version) {
  *version = 13000;
  return success;
}

int cuDeviceGetCount(int* count) {
  *count = 0;
  return success;
}

/// The rest of the arguments, options, is not looked at.
int cuLibraryLoadData(const void** library, const void* code) {
  *library = code;
  return success;
}

int cuLibraryUnload(const void*) { return success; }

int cuLibraryGetKernel(const void** kernel, const void* library, const char*) {
  *kernel = library;
  return success;
}

int cuKernelGetAttribute(int* value, int, const void*, int) {
  *value = 0;
  return success;
}

int cuKernelSetAttribute(int, int, const void*, int) { return success; }

int refused() { return stub_library; }

int cuCtxGetCurrent() __attribute__((alias("refused")));
int cuCtxGetLimit() __attribute__((alias("refused")));
int cuCtxPopCurrent() __attribute__((alias("refused")));
int cuCtxPushCurrent() __attribute__((alias("refused")));
int cuDeviceGet() __attribute__((alias("refused")));
int cuGetErrorName() __attribute__((alias("refused")));
int cuGetErrorString() __attribute__((alias("refused")));
int cuLaunchCooperativeKernel() __attribute__((alias("refused")));
int cuLaunchKernel() __attribute__((alias("refused")));
int cuLaunchKernelEx() __attribute__((alias("refused")));
int cuLibraryLoadFromFile() __attribute__((alias("refused")));
int cuLinkAddData() __attribute__((alias("refused")));
int cuLinkComplete() __attribute__((alias("refused")));
int cuLinkCreate() __attribute__((alias("refused")));
int cuLinkDestroy() __attribute__((alias("refused")));
int cuOccupancyMaxPotentialClusterSize() __attribute__((alias("refused")));
int cuStreamGetCtx() __attribute__((alias("refused")));

}  // extern "C"
