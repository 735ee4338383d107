#include "cuda/stream/health.hpp"

#include <string>

namespace s2sam {

namespace {

bool is_fatal(cudaError_t status) {
  switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContextIsDestroyed:
    case cudaErrorContained:
    case cudaErrorTensorMemoryLeak:
    case cudaErrorUnknown: return true;
    default: return false;
  }
}

}  // namespace

Health& Health::get() {
  static Health health;
  return health;
}

void Health::note(cudaError_t status, const Error& error) {
  if (!is_fatal(status)) return;
  const std::lock_guard lock(mutex_);
  if (first_) return;
  first_ = Error(Code::internal, error.op(),
                 std::string(error.what()).substr(error.op().size() + 2) +
                     "; the GPU cannot be used any more by this process: restart it, with S2SAM_SYNC=1 to learn which op failed");
}

void Health::check() const {
  const std::lock_guard lock(mutex_);
  if (first_) throw Error(*first_);
}

}  // namespace s2sam
