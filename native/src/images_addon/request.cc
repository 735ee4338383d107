#include "images_addon/request.hpp"

#include <cmath>

#include "images/broken.hpp"

namespace s2sam::images_addon {

using images::Broken;

images::Encoded Source::open(images::Scratch& scratch) const {
  if (const auto* path = std::get_if<std::string>(&place)) {
    images::read_file(*path, scratch.file);
    return {scratch.file, raw};
  }
  if (const auto* stretch = std::get_if<Stretch>(&place)) {
    const images::Bytes all = stretch->file->bytes();
    if (stretch->offset > all.size() || stretch->length > all.size() - stretch->offset) {
      throw Broken("lies beyond the end of its file, which has " + std::to_string(all.size()) + " bytes");
    }
    return {all.subspan(stretch->offset, stretch->length), raw};
  }
  return {std::get<images::Bytes>(place), raw};
}

namespace {

Napi::Error wrong(Napi::Env env, const char* name, const char* wanted) {
  return Napi::TypeError::New(env, std::string("images: ") + name + " must be " + wanted);
}

double number(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (!value.IsNumber()) throw wrong(from.Env(), name, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

images::Bytes bytes_of(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw wrong(value.Env(), "bytes", "a Uint8Array");
  }
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ElementLength()};
}

Source source_of(const Napi::Object& from, const Files& files) {
  Source source;
  if (from.Has("width")) {
    source.raw = images::Size{static_cast<int>(whole(from, "width")), static_cast<int>(whole(from, "height"))};
  }
  if (from.Has("path")) {
    source.place = from.Get("path").ToString().Utf8Value();
  } else if (from.Has("bytes")) {
    source.place = bytes_of(from.Get("bytes"));
  } else {
    const std::int64_t file = whole(from, "file");
    if (file >= static_cast<std::int64_t>(files.size())) throw wrong(from.Env(), "file", "what `map` returned");
    source.place = Stretch{files[static_cast<std::size_t>(file)], static_cast<std::size_t>(whole(from, "offset")),
                           static_cast<std::size_t>(whole(from, "length"))};
  }
  return source;
}

}  // namespace

std::int64_t whole(const Napi::Object& from, const char* name) {
  const double value = number(from, name);
  if (!(value >= 0 && value <= 9007199254740991.0 && value == std::floor(value))) {
    throw wrong(from.Env(), name, "a whole number");
  }
  return static_cast<std::int64_t>(value);
}

std::vector<Source> sources_of(const Napi::Object& request, const Files& files) {
  const auto list = request.Get("sources").As<Napi::Array>();
  std::vector<Source> sources;
  sources.reserve(list.Length());
  for (std::uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::HandleScope scope(request.Env());
    sources.push_back(source_of(list.Get(i).As<Napi::Object>(), files));
  }
  return sources;
}

images::Recipe recipe_of(const Napi::Object& request) {
  images::Recipe recipe;
  recipe.out = {static_cast<int>(whole(request, "width")), static_cast<int>(whole(request, "height"))};
  recipe.resize = static_cast<int>(whole(request, "resize"));
  const Napi::Value random = request.Get("random");
  if (!random.IsObject()) return recipe;
  const auto crop = random.As<Napi::Object>();
  images::RandomCrop settings;
  settings.scale[0] = static_cast<float>(number(crop, "leastArea"));
  settings.scale[1] = static_cast<float>(number(crop, "mostArea"));
  settings.ratio[0] = static_cast<float>(number(crop, "leastRatio"));
  settings.ratio[1] = static_cast<float>(number(crop, "mostRatio"));
  settings.flip = crop.Get("flip").ToBoolean();
  recipe.random = settings;
  recipe.key = Philox{{static_cast<std::uint32_t>(whole(crop, "key0")), static_cast<std::uint32_t>(whole(crop, "key1"))}};
  recipe.epoch = static_cast<std::uint32_t>(whole(crop, "epoch"));
  return recipe;
}

}  // namespace s2sam::images_addon
