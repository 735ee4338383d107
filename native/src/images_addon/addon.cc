// The Node-API surface of image decoding: a pool of threads that turns files into batches. Its typed form is native/lib/images.ts.
#include <napi.h>

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "images/broken.hpp"
#include "images/pool.hpp"
#include "images_addon/pending.hpp"
#include "images_addon/request.hpp"

namespace s2sam::images_addon {

namespace {

/// What the threads of a job share.
struct Batch {
  std::vector<Source> sources;
  std::vector<std::optional<Failure>> failures;

  explicit Batch(std::vector<Source> from) : sources(std::move(from)), failures(sources.size()) {}

  /// Runs `work` on image i, and notes why it failed.
  template <class Work>
  void attempt(std::size_t i, images::Scratch& scratch, Work work) {
    try {
      work(sources[i].open(scratch));
    } catch (const images::Foreign& reason) {
      failures[i] = Failure{true, reason.what()};
    } catch (const std::exception& reason) {
      failures[i] = Failure{false, reason.what()};
    }
  }
};

Napi::Object failure_object(Napi::Env env, std::size_t i, const Failure& failure) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("index", static_cast<double>(i));
  object.Set("foreign", failure.foreign);
  object.Set("message", failure.message);
  return object;
}

Napi::Value failures_of(Napi::Env env, const Batch& batch) {
  Napi::Array list = Napi::Array::New(env);
  for (std::size_t i = 0; i < batch.failures.size(); ++i) {
    if (batch.failures[i]) list.Set(list.Length(), failure_object(env, i, *batch.failures[i]));
  }
  return list;
}

}  // namespace

class ImagePool : public Napi::ObjectWrap<ImagePool> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "ImagePool",
                       {InstanceMethod<&ImagePool::map>("map"), InstanceMethod<&ImagePool::read>("read"),
                        InstanceMethod<&ImagePool::pack>("pack"), InstanceMethod<&ImagePool::close>("close")});
  }

  explicit ImagePool(const Napi::CallbackInfo& info)
      : ObjectWrap(info),
        pending_(std::make_unique<Pending>(info.Env())),
        pool_(std::make_unique<images::Pool>(info[0].As<Napi::Number>().Int32Value())) {
    // Hooks run last in, first out: threads stop before the function they call, made in Pending, goes away.
    napi_add_env_cleanup_hook(info.Env(), &ImagePool::on_exit, this);
  }

  ~ImagePool() override { pool_.reset(); }

  void Finalize(Napi::BasicEnv env) override {
    pool_.reset();
    if (!exiting_) napi_remove_env_cleanup_hook(env, &ImagePool::on_exit, this);
  }

 private:
  static void on_exit(void* self) {
    static_cast<ImagePool*>(self)->exiting_ = true;
    static_cast<ImagePool*>(self)->pool_.reset();
  }

  images::Pool& pool(Napi::Env env) const {
    if (pool_ == nullptr) throw Napi::Error::New(env, "images: the pool was closed");
    return *pool_;
  }

  /// map(path): the number by which sources name a mapped file.
  Napi::Value map(const Napi::CallbackInfo& info) {
    try {
      files_.push_back(std::make_shared<const images::MappedFile>(info[0].As<Napi::String>().Utf8Value()));
    } catch (const images::Broken& reason) {
      throw Napi::Error::New(info.Env(), reason.what());
    }
    return Napi::Number::New(info.Env(), static_cast<double>(files_.size() - 1));
  }

  /// read(request): fills `into`; resolves with the images that failed, whose bytes are left alone.
  Napi::Value read(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto request = info[0].As<Napi::Object>();
    const images::Recipe recipe = recipe_of(request);
    const auto batch = std::make_shared<Batch>(sources_of(request, files_));
    const auto indices = request.Get("indices").As<Napi::Int32Array>();
    auto into = request.Get("into").As<Napi::Uint8Array>();
    std::uint8_t* to = into.Data();
    const std::size_t each = static_cast<std::size_t>(recipe.out.width) * static_cast<std::size_t>(recipe.out.height) * 3;
    if (indices.ElementLength() != batch->sources.size() || into.ElementLength() != batch->sources.size() * each) {
      throw Napi::TypeError::New(env, "images: indices and into must fit the number of sources");
    }
    const std::vector<std::int32_t> keys(indices.Data(), indices.Data() + indices.ElementLength());
    return submit(
        env, request, batch,
        [batch, recipe, keys, to, each](std::size_t i, images::Scratch& scratch) {
          batch->attempt(i, scratch, [&](const images::Encoded& image) {
            images::read_image(image, recipe, static_cast<std::uint32_t>(keys[i]), scratch, to + i * each);
          });
        },
        [batch](Napi::Env there) { return failures_of(there, *batch); });
  }

  /// pack(request): resolves with an array of { width, height, bytes }, or what failed in its place.
  Napi::Value pack(const Napi::CallbackInfo& info) {
    const auto request = info[0].As<Napi::Object>();
    const auto batch = std::make_shared<Batch>(sources_of(request, files_));
    const auto packed = std::make_shared<std::vector<images::Packed>>(batch->sources.size());
    const int resolution = static_cast<int>(whole(request, "resolution")), quality = static_cast<int>(whole(request, "quality"));
    return submit(
        info.Env(), request, batch,
        [batch, packed, resolution, quality](std::size_t i, images::Scratch& scratch) {
          batch->attempt(i, scratch, [&](const images::Encoded& image) {
            (*packed)[i] = images::pack_image(image, resolution, quality, scratch);
          });
        },
        [batch, packed](Napi::Env env) { return packed_of(env, *batch, *packed); });
  }

  static Napi::Value packed_of(Napi::Env env, const Batch& batch, const std::vector<images::Packed>& packed) {
    Napi::Array list = Napi::Array::New(env, packed.size());
    for (std::size_t i = 0; i < packed.size(); ++i) {
      const Napi::HandleScope scope(env);
      Napi::Object object = batch.failures[i] ? failure_object(env, i, *batch.failures[i]) : Napi::Object::New(env);
      if (!batch.failures[i]) {
        object.Set("width", packed[i].size.width);
        object.Set("height", packed[i].size.height);
        object.Set("bytes", Napi::Buffer<std::uint8_t>::Copy(env, packed[i].bytes.data(), packed[i].bytes.size()));
      }
      list.Set(static_cast<std::uint32_t>(i), object);
    }
    return list;
  }

  Napi::Value submit(Napi::Env env, const Napi::Object& request, const std::shared_ptr<Batch>& batch,
                     std::function<void(std::size_t, images::Scratch&)> each, Pending::Result result) {
    images::Pool& threads = pool(env);
    const std::uint64_t id = pending_->next_id();
    Napi::Array kept = Napi::Array::New(env, 2);
    kept.Set(0u, request);
    kept.Set(1u, Value());
    const Napi::Promise promise = pending_->add(env, id, kept, std::move(result));
    if (batch->sources.empty()) {
      pending_->finish(id);
    } else {
      threads.add({batch->sources.size(), std::move(each), [pending = pending_.get(), id] { pending->finish(id); }});
    }
    return promise;
  }

  /// close(): ends the threads; what was not done is rejected.
  Napi::Value close(const Napi::CallbackInfo& info) {
    if (pool_ == nullptr) return info.Env().Undefined();
    pool_.reset();
    pending_->close(info.Env(), "images: the pool was closed");
    files_.clear();
    return info.Env().Undefined();
  }

  std::unique_ptr<Pending> pending_;
  std::unique_ptr<images::Pool> pool_;
  bool exiting_ = false;
  Files files_;
};

}  // namespace s2sam::images_addon

static Napi::Object s2sam_init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", S2SAM_VERSION);
  exports.Set("ImagePool", s2sam::images_addon::ImagePool::define(env));
  return exports;
}

NODE_API_MODULE(s2sam_images, s2sam_init)
