// Stands in for NVIDIA's driver, libcuda.so.1, where there is none. cuDNN names engines that compile their kernels only where it finds
// these functions. This driver says that there is no device, so cuDNN compiles the kernels and does not load them; all else it refuses.

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

int refused() { return stub_library; }

int cuCtxGetCurrent() __attribute__((alias("refused")));
int cuCtxGetLimit() __attribute__((alias("refused")));
int cuCtxPopCurrent() __attribute__((alias("refused")));
int cuCtxPushCurrent() __attribute__((alias("refused")));
int cuDeviceGet() __attribute__((alias("refused")));
int cuGetErrorName() __attribute__((alias("refused")));
int cuGetErrorString() __attribute__((alias("refused")));
int cuKernelGetAttribute() __attribute__((alias("refused")));
int cuKernelSetAttribute() __attribute__((alias("refused")));
int cuLaunchCooperativeKernel() __attribute__((alias("refused")));
int cuLaunchKernel() __attribute__((alias("refused")));
int cuLaunchKernelEx() __attribute__((alias("refused")));
int cuLibraryGetKernel() __attribute__((alias("refused")));
int cuLibraryLoadData() __attribute__((alias("refused")));
int cuLibraryLoadFromFile() __attribute__((alias("refused")));
int cuLibraryUnload() __attribute__((alias("refused")));
int cuLinkAddData() __attribute__((alias("refused")));
int cuLinkComplete() __attribute__((alias("refused")));
int cuLinkCreate() __attribute__((alias("refused")));
int cuLinkDestroy() __attribute__((alias("refused")));
int cuOccupancyMaxPotentialClusterSize() __attribute__((alias("refused")));
int cuStreamGetCtx() __attribute__((alias("refused")));

}  // extern "C"
