#include "addon/call.hpp"

namespace s2sam::addon {

namespace {

Napi::Value label(Call& call) {
  Device& device = call.device(0);
  const std::string text = call.text(1, "text");
  const auto [found, added] = device.labels.try_emplace(text, static_cast<std::uint32_t>(device.labels.size()));
  backend::label(*device.stream, found->second);
  return call.undefined();
}

Napi::Value begin_profile(Call& call) {
  call.device(0);
  call.not_while_capturing("nothing runs while a step is recorded; begin before captureBegin");
  backend::begin_profile(*call.device(0).stream);
  return call.undefined();
}

/// The text of every number.
std::vector<std::string> label_texts(const Device& device) {
  std::vector<std::string> texts(device.labels.size());
  for (const auto& [text, number] : device.labels) texts[number] = text;
  return texts;
}

Napi::Value end_profile(Call& call) {
  Device& device = call.device(0);
  const std::vector<std::string> texts = label_texts(device);
  const std::vector<backend::Span> spans = backend::end_profile(*device.stream);
  Napi::Array result = Napi::Array::New(call.env(), spans.size());
  for (std::uint32_t i = 0; i < spans.size(); ++i) {
    const backend::Span& span = spans[i];
    Napi::Object object = Napi::Object::New(call.env());
    object["op"] = span.op;
    object["label"] = texts[span.label];
    object["begin"] = span.begin;
    object["end"] = span.end;
    object["flops"] = span.flops;
    object["bytes"] = span.bytes;
    result[i] = object;
  }
  return result;
}

/// [{kernel, VALUE}]
template <class Value>
Napi::Array by_kernel(Napi::Env env, const std::vector<std::pair<std::string, Value>>& pairs, const char* value) {
  Napi::Array result = Napi::Array::New(env, pairs.size());
  for (std::uint32_t i = 0; i < pairs.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    object["kernel"] = pairs[i].first;
    object[value] = pairs[i].second;
    result[i] = object;
  }
  return result;
}

Napi::Value choices(Call& call) {
  Device& device = call.device(0);
  const Napi::Env env = call.env();
  const std::vector<std::string> texts = label_texts(device);
  const std::vector<backend::KernelChoice> all = backend::choices(*device.stream);
  Napi::Array result = Napi::Array::New(env, all.size());
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    const backend::KernelChoice& choice = all[i];
    Napi::Object object = Napi::Object::New(env);
    object["op"] = choice.op;
    object["label"] = texts[choice.label];
    object["density"] = choice.density;
    object["kernel"] = choice.kernel;
    object["candidates"] = by_kernel(env, choice.candidates, "milliseconds");
    object["refused"] = by_kernel(env, choice.refused, "why");
    result[i] = object;
  }
  return result;
}

Napi::Value measure_peaks(Call& call) {
  call.device(0);
  call.not_while_capturing("nothing runs while a step is recorded; measure before captureBegin");
  Device& device = call.device(0);
  auto peaks = std::make_shared<backend::Peaks>();
  backend::measure_peaks(*device.stream, peaks);
  return call.addon().pending.add(call.env(), device, call.op(), [peaks](Napi::Env env) {
    Napi::Object result = Napi::Object::New(env);
    const std::pair<const char*, double> all[] = {{"arithmetic", peaks->arithmetic},
                                                  {"halfArithmetic", peaks->half_arithmetic},
                                                  {"firstLevel", peaks->first_level},
                                                  {"secondLevel", peaks->second_level},
                                                  {"memory", peaks->memory}};
    for (const auto& [name, value] : all) {
      if (value > 0) result[name] = value;
    }
    return result;
  });
}

constexpr Method methods[] = {
    {"label", label},
    {"beginProfile", begin_profile},
    {"endProfile", end_profile},
    {"choices", choices},
    {"measurePeaks", measure_peaks},
};

}  // namespace

Methods profile_methods() { return methods; }

}  // namespace s2sam::addon
