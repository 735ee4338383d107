// Which plans the real cuDNN makes for convolutions on a GPU that is only described: needs neither a GPU nor a driver, so that what is
// set in cuDNN's descriptors is proved right where there is none.
// Usage: cudnn_plans DEVICE.json NAME=PATH... < problems, NAME as in use_libraries; a problem is a line
//   forward|data|weight f32|f16|bf16 accumulate n c h w o kernel stride pad
// Prints for each: its name, engines found, plans made, the least workspace in bytes.

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cuda/conv/cudnn_graph.hpp"
#include "cuda/libraries/library.hpp"

namespace {

using namespace s2sam;

conv::Problem parsed(const std::string& line) {
  std::istringstream words(line);
  std::string pass, dtype;
  conv::Problem p{};
  words >> pass >> dtype >> p.accumulate >> p.n >> p.c >> p.h >> p.w >> p.o >> p.kernel_h >> p.stride_h >> p.pad_h;
  p.pass = pass == "forward" ? conv::Pass::forward : pass == "data" ? conv::Pass::data : conv::Pass::weight;
  p.images = dtype == "f16" ? DType::f16 : dtype == "bf16" ? DType::bf16 : DType::f32;
  p.weights = p.pass == conv::Pass::weight ? DType::f32 : p.images;
  p.kernel_w = p.kernel_h;
  p.stride_w = p.stride_h;
  p.pad_w = p.pad_h;
  p.out_h = (p.h + 2 * p.pad_h - p.kernel_h) / p.stride_h + 1;
  p.out_w = (p.w + 2 * p.pad_w - p.kernel_w) / p.stride_w + 1;
  return p;
}

void plan(const cudnn::Device& device, const conv::Problem& problem) {
  std::size_t found = 0, made = 0, workspace = std::numeric_limits<std::size_t>::max();
  for (const conv::GraphOptions& options : conv::graph_options(problem)) {
    for (cudnn::EngineConfig& config : conv::exact_engines(device, problem, options)) {
      ++found;
      try {
        const cudnn::Plan plan(device, std::make_shared<const cudnn::EngineConfig>(std::move(config)));
        workspace = std::min(workspace, plan.workspace());
        ++made;
      } catch (const Error&) {  // counted by its absence
      }
    }
  }
  std::cout << problem.name() << ' ' << found << ' ' << made << ' ' << workspace << '\n';
}

}  // namespace

int main(int count, char** arguments) try {
  std::vector<std::pair<std::string, std::string>> libraries;
  for (const std::string& text : std::vector<std::string>(arguments + 2, arguments + count)) {
    libraries.emplace_back(text.substr(0, text.find('=')), text.substr(text.find('=') + 1));
  }
  Library::use(std::move(libraries));
  const cudnn::Api* api = cudnn::Api::find();
  if (api == nullptr) throw Error(Code::device, "cudnn_plans", "there is no cuDNN that can be used");
  std::ifstream file(arguments[1]);
  const cudnn::Device device(*api, std::string(std::istreambuf_iterator<char>(file), {}));
  for (std::string line; std::getline(std::cin, line);) plan(device, parsed(line));
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
