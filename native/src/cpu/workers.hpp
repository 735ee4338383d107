#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace s2sam {

/// Threads that share the iterations of loops. The caller takes part and waits only for iterations that were begun, never
/// for a thread that has not come yet: on a machine with other work a loop then costs what is left of the processor, not
/// the time slices of whoever took the worker's place (docs/decisions/0005).
///
/// One thread at a time calls run().
class Workers {
 public:
  /// threads: the caller's included.
  explicit Workers(int threads);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  int threads() const { return static_cast<int>(helpers_.size()) + 1; }

  /// Calls body(i) once for each i in [0, count), in no particular order, and returns when all calls have. Rethrows the
  /// first exception; which of the other iterations were run is then open.
  template <class Body>
  void run(std::ptrdiff_t count, const Body& body) {
    loop(count, [](const void* data, std::ptrdiff_t i) { (*static_cast<const Body*>(data))(i); }, &body);
  }

 private:
  using Call = void (*)(const void* data, std::ptrdiff_t i);

  void loop(std::ptrdiff_t count, Call call, const void* data);
  void help();
  void work();

  // The loop that runs. Written by the caller while no helper is inside.
  std::ptrdiff_t count_ = 0;
  Call call_ = nullptr;
  const void* data_ = nullptr;
  std::exception_ptr failure_;
  std::mutex failure_mutex_;

  alignas(64) std::atomic<std::ptrdiff_t> next_{0};
  /// Odd while a loop is open to helpers; every change is one loop opened or closed.
  alignas(64) std::atomic<std::uint32_t> epoch_{0};
  /// Helpers that may touch the loop's data. A helper enters first and looks at the epoch after; the caller closes the
  /// epoch first and looks at this after. So one of the two sees the other.
  alignas(64) std::atomic<int> inside_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> helpers_;
};

}  // namespace s2sam
