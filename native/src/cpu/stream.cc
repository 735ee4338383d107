#include "cpu/stream.hpp"

#include <future>
#include <utility>

namespace s2sam {

void* Context::scratch(std::size_t bytes, int slot) { return scratch_[slot].at_least(bytes); }

std::size_t Context::scratch_bytes() const {
  std::size_t total = 0;
  for (const AlignedBuffer& buffer : scratch_) total += buffer.size();
  return total;
}

Stream::Stream(Isa isa, int threads) : context_(isa, threads), thread_([this] { loop(); }) {}

Stream::~Stream() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  ready_.notify_one();
  thread_.join();
}

void Stream::submit(const char* op, std::function<void(Context&)> run) {
  Command command{op, std::move(run), label_};
  if (capture_) {
    capture_->push_back(std::move(command));
  } else {
    push(std::move(command));
  }
}

void Stream::begin_capture() { capture_ = std::make_shared<std::vector<Command>>(); }

CommandList Stream::end_capture() { return std::exchange(capture_, nullptr); }

void Stream::replay(CommandList list) {
  push({nullptr, [this, list = std::move(list)](Context&) {
          for (const Command& command : *list) {
            if (closing_) return;
            this->run(command);
          }
        }});
}

void Stream::on_complete(std::function<void(std::exception_ptr)> done) {
  push({nullptr, [this, done = std::move(done)](Context&) { done(std::exchange(failure_, nullptr)); }});
}

void Stream::after(std::function<void()> done) {
  push({nullptr, [done = std::move(done)](Context&) { done(); }});
}

void Stream::wait() {
  std::promise<void> reached;
  on_complete([&reached](std::exception_ptr failure) {
    if (failure) {
      reached.set_exception(failure);
    } else {
      reached.set_value();
    }
  });
  reached.get_future().get();
}

void Stream::push(Command command) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(command));
  }
  ready_.notify_one();
}

void Stream::run(const Command& command) {
  context_.set_running({command.op, command.label});
  if (command.op == nullptr || !profile_.running()) return command.run(context_);
  context_.take_work();
  const Profile::Time begin = Profile::now();
  command.run(context_);
  const Work work = context_.take_work();
  profile_.add(command.op, command.label, begin, Profile::now(), work.flops, work.bytes);
}

void Stream::loop() {
  for (;;) {
    Command command;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [this] { return closing_ || !queue_.empty(); });
      if (closing_) return;
      command = std::move(queue_.front());
      queue_.pop_front();
    }
    try {
      run(command);
    } catch (...) {
      if (!failure_) failure_ = std::current_exception();
    }
  }
}

}  // namespace s2sam
