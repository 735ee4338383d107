#include "report.hpp"

#include <sstream>

namespace s2sam::bench {

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return result + '"';
}

namespace {

template <class Values, class Print>
std::string list(const Values& values, Print print) {
  std::string result = "[";
  for (const auto& value : values) result += (result.size() == 1 ? "" : ",") + print(value);
  return result + "]";
}

std::string printed(const Engine& engine) {
  std::ostringstream out;
  out << std::boolalpha << "{\"name\":" << quoted(engine.name) << ",\"fallback\":" << engine.fallback
      << ",\"compiles\":" << engine.compiles << ",\"notes\":" << list(engine.notes, quoted) << ",\"tried\":" << engine.tried
      << ",\"seconds\":" << engine.seconds;
  if (engine.plan) out << ",\"workspace\":" << engine.plan->workspace();
  if (!engine.refusal.empty()) out << ",\"refusal\":" << quoted(engine.refusal);
  out << '}';
  return out.str();
}

}  // namespace

std::string line(const Case& one, const Built& built, const Survey& survey, const Timing& timing) {
  double moved = 0;
  for (const Operand& operand : built.operands) moved += static_cast<double>(bytes(operand.value));
  std::ostringstream out;
  out.precision(12);
  out << "{\"family\":" << quoted(one.pattern.family) << ",\"pattern\":" << quoted(one.pattern.name)
      << ",\"layer\":" << quoted(one.layer.name) << ",\"dtype\":" << quoted(one.dtype) << ",\"scales\":" << quoted(one.scales)
      << ",\"bytes\":" << moved << ",\"flop\":" << 2 * built.multiplications << ",\"engines\":" << list(survey.engines, printed)
      << ",\"refusals\":" << list(survey.refusals, quoted) << ",\"times\":" << timing.times << ",\"failure\":" << quoted(timing.failure) << '}';
  return out.str();
}

}  // namespace s2sam::bench
