// Which plans cuDNN makes for fused operations of ResNet-50's training, and with --run how fast they are. Without it no GPU is needed:
// the plans are made for one that is described.
// Usage: cudnn_patterns --cudnn libcudnn.so.9 (--described DEVICE.json [--driver STAND-IN] | --run ROUNDS)
//                       [--dtype f16|bf16] [--batch N] [--compile N] [--pattern TEXT] [--layer TEXT]
// The first line of the output says what was asked, each other one is a case; all are JSON.

#include <dlfcn.h>

#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cuda/libraries/library.hpp"
#include "report.hpp"
#include "run.hpp"

namespace {

using namespace s2sam;
using namespace s2sam::bench;

struct Options {
  std::map<std::string, std::string> values{{"--dtype", "f16"}, {"--batch", "256"}, {"--compile", "1"}};

  Options(int count, char** arguments) {
    for (int i = 1; i + 1 < count; i += 2) values[arguments[i]] = arguments[i + 1];
  }
  std::string text(const std::string& name) const {
    const auto found = values.find(name);
    return found == values.end() ? "" : found->second;
  }
  std::int64_t number(const std::string& name) const { return text(name).empty() ? 0 : std::stoll(text(name)); }
};

/// Opens the stand-in where there is no driver, before cuDNN looks for one. It stays open: libraries hold its functions.
std::string open_driver(const std::string& stand_in) {
  if (dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL) != nullptr) return "present";
  return !stand_in.empty() && dlopen(stand_in.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr ? "stand-in" : "none";
}

cudnn::Device open_device(const cudnn::Api& api, const Options& options) {
  if (options.number("--run") > 0) {
    require_gpu();
    return cudnn::Device(api);
  }
  std::ifstream file(options.text("--described"));
  return cudnn::Device(api, std::string(std::istreambuf_iterator<char>(file), {}));
}

const char* name_of(cudnnDataType_t type) {
  return type == CUDNN_DATA_FLOAT ? "f32" : type == CUDNN_DATA_HALF ? "f16" : "bf16";
}

/// One pattern of one layer, with scales and biases of one type. False where it reads none, so that another type is the same again.
bool examine(const cudnn::Device& device, const Options& options, const Pattern& pattern, const Layer& layer, Types types) {
  GraphBuilder graph(device.api(), types);
  pattern.describe(graph, layer, options.number("--batch"));
  const bool scaled = graph.reads_scales();
  const Built built = graph.finish();
  const Survey found = survey(device, built, static_cast<std::size_t>(options.number("--compile")));
  const std::int64_t rounds = options.number("--run");
  const Timing timing = rounds > 0 ? timed(device, built, found, static_cast<int>(rounds)) : Timing{};
  const Case one{pattern, layer, name_of(types.images), scaled ? name_of(types.channels) : ""};
  std::cout << line(one, built, found, timing) << std::endl;
  return scaled;
}

void examine_all(const cudnn::Device& device, const Options& options, const std::vector<Pattern>& patterns,
                 const std::vector<Layer>& layers) {
  const cudnnDataType_t images = options.text("--dtype") == "bf16" ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_HALF;
  const auto wanted = [&](const std::string& name, const char* option) { return name.find(options.text(option)) != std::string::npos; };
  for (const Pattern& pattern : patterns) {
    for (const Layer& layer : layers) {
      if (!pattern.fits(layer) || !wanted(pattern.name, "--pattern") || !wanted(layer.name, "--layer")) continue;
      if (examine(device, options, pattern, layer, {images, images, images})) {
        examine(device, options, pattern, layer, {images, images, CUDNN_DATA_FLOAT});
      }
    }
  }
}

}  // namespace

int main(int count, char** arguments) try {
  const Options options(count, arguments);
  const std::string driver = open_driver(options.number("--run") > 0 ? "" : options.text("--driver"));
  Library::use({{"cudnn", options.text("--cudnn")}});
  const cudnn::Api* api = cudnn::Api::find();
  if (api == nullptr) throw Error(Code::device, "cudnn_patterns", "there is no cuDNN that can be used");
  const cudnn::Device device = open_device(*api, options);
  std::cout << "{\"cudnn\":" << api->version() << ",\"driver\":" << quoted(driver) << "}\n";
  examine_all(device, options, forward_patterns(), convolutions());
  examine_all(device, options, backward_patterns(), convolutions());
  examine_all(device, options, image_patterns(), images());
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
