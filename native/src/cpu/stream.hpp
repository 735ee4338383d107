#pragma once

#include <any>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <typeindex>
#include <utility>
#include <vector>

#include "profile/choices.hpp"
#include "cpu/isa.hpp"
#include "cpu/memory.hpp"
#include "cpu/profile.hpp"
#include "cpu/workers.hpp"
#include "s2sam/work.hpp"

namespace s2sam {

/// What a command may use while it runs: the one submission thread calls commands in order, so nothing here is locked.
class Context {
 public:
  Context(Isa isa, int threads) : isa_(isa), workers_(threads) {}

  Isa isa() const { return isa_; }
  int threads() const { return workers_.threads(); }

  /// Scratch memory, 64-byte aligned, contents undefined, valid until the command ends; every slot is a buffer of its own.
  void* scratch(std::size_t bytes, int slot = 0);
  std::size_t scratch_bytes() const;

  /// Adds to what the running command says it did; for profiles.
  void count(Work work) {
    work_.flops += work.flops;
    work_.bytes += work.bytes;
  }
  Work take_work() { return std::exchange(work_, {}); }

  /// The command that runs.
  struct Running {
    const char* op;
    std::uint32_t label;
  };
  const Running& running() const { return running_; }
  void set_running(Running running) { running_ = running; }

  Choices& choices() { return choices_; }
  const Choices& choices() const { return choices_; }

  /// What a family of ops keeps from one command to the next: one T of each type.
  template <class T>
  T& keep() {
    std::any& slot = kept_[std::type_index(typeid(T))];
    if (!slot.has_value()) slot.emplace<T>();
    return *std::any_cast<T>(&slot);
  }

  /// Calls body(i) for i in [0, count), spread over the threads; results must not depend on how. Exceptions of a body reach
  /// the caller (the first one).
  template <class Body>
  void parallel(std::ptrdiff_t count, const Body& body) {
    workers_.run(count, body);
  }

 private:
  static constexpr int scratch_slots = 8;

  Isa isa_;
  Workers workers_;
  AlignedBuffer scratch_[scratch_slots];
  Work work_;
  Running running_{};
  Choices choices_;
  std::map<std::type_index, std::any> kept_;
};

struct Command {
  const char* op;  ///< null for what is no op: waits, replays
  std::function<void(Context&)> run;
  std::uint32_t label = 0;
};

/// A recorded command list: the CPU's counterpart of a CUDA graph.
using CommandList = std::shared_ptr<std::vector<Command>>;

/// One submission thread that runs commands in the order they were submitted. submit() takes microseconds and never waits.
class Stream {
 public:
  Stream(Isa isa, int threads);
  ~Stream();  ///< Drops what has not started, waits for the command that runs.
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// While capturing, records instead of running. `op` must be a string literal.
  void submit(const char* op, std::function<void(Context&)> run);

  void begin_capture();
  CommandList end_capture();
  bool capturing() const { return capture_ != nullptr; }
  void replay(CommandList list);

  /// Calls `done` on the submission thread after everything submitted so far, with the first error since the last wait
  /// (which is thereby handed over) or null. Never recorded.
  void on_complete(std::function<void(std::exception_ptr)> done);
  /// Calls `done` on the submission thread after everything submitted so far, whatever errors there were. Never recorded.
  void after(std::function<void()> done);
  /// Blocks. For tests and for closing.
  void wait();

  void label(std::uint32_t number) { label_ = number; }
  Profile& profile() { return profile_; }
  const Choices& choices() const { return context_.choices(); }

  int threads() const { return context_.threads(); }
  std::size_t scratch_bytes() const { return context_.scratch_bytes(); }

 private:
  void push(Command command);
  void loop();
  void run(const Command& command);

  Context context_;
  Profile profile_;
  std::uint32_t label_ = 0;
  CommandList capture_;
  std::exception_ptr failure_;  // of the submission thread alone
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Command> queue_;
  std::atomic<bool> closing_ = false;  // written under the mutex; a replay looks at it between its commands
  std::thread thread_;
};

}  // namespace s2sam
