#include "addon/call.hpp"

#include <charconv>
#include <cmath>
#include <utility>

namespace s2sam::addon {

namespace {

/// As JavaScript writes it.
std::string text_of(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

/// What a JavaScript value is, in words.
std::string describe(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  switch (type) {
    case napi_undefined: return "undefined";
    case napi_null: return "null";
    case napi_boolean: return "a boolean";
    case napi_number: {
      double number = 0;
      napi_get_value_double(env, value, &number);
      return text_of(number);
    }
    case napi_string: return "a string";
    case napi_symbol: return "a symbol";
    case napi_function: return "a function";
    case napi_bigint: return "a bigint";
    default: return "an object";
  }
}

}  // namespace

Call::Call(Addon& addon, napi_env env, napi_callback_info info, const char* op) : addon_(addon), env_(env), op_(op) {
  std::size_t count = arguments_.size();  // missing ones become undefined, surplus ones are ignored
  napi_get_cb_info(env, info, &count, arguments_.data(), nullptr, nullptr);
}

void Call::wrong_type(napi_value value, const char* name, const char* wanted) const {
  fail(Code::argument, std::string(name) + " must be " + wanted + ", but is " + describe(env_, value));
}

double Call::value(int i, const char* name) const {
  double number = 0;
  if (napi_get_value_double(env_, argument(i), &number) != napi_ok) wrong_type(argument(i), name, "a number");
  return number;
}

float Call::real(int i, const char* name) const {
  const double number = value(i, name);
  if (!(std::abs(number) <= std::numeric_limits<float>::max())) {
    fail(Code::argument, std::string(name) + " is " + text_of(number) + "; it must be a finite number that fits a float");
  }
  return static_cast<float>(number);
}

std::int64_t Call::integer(int i, const char* name, std::int64_t low, std::int64_t high) const {
  const double number = value(i, name);
  if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high) && number == std::floor(number))) {
    fail(Code::argument, std::string(name) + " is " + text_of(number) + "; it must be a whole number from " +
                             std::to_string(low) + " to " + std::to_string(high));
  }
  return static_cast<std::int64_t>(number);
}

bool Call::boolean(int i, const char* name) const {
  bool result = false;
  if (napi_get_value_bool(env_, argument(i), &result) != napi_ok) wrong_type(argument(i), name, "a boolean");
  return result;
}

std::string Call::text(int i, const char* name) const {
  if (!argument(i).IsString()) wrong_type(argument(i), name, "a string");
  return argument(i).As<Napi::String>();
}

DType Call::dtype(int i) const {
  const std::string name = text(i, "dtype");
  for (DType dtype : {DType::f32, DType::i32, DType::u32, DType::u8, DType::f16, DType::bf16}) {
    if (name == name_of(dtype)) return dtype;
  }
  fail(Code::dtype, "dtype is '" + name + "'; it must be f32, i32, u32, u8, f16 or bf16");
}

Shape Call::shape(int i, const char* name) const {
  if (!argument(i).IsArray()) wrong_type(argument(i), name, "an array of numbers");
  const auto array = argument(i).As<Napi::Array>();
  const std::uint32_t rank = array.Length();
  if (rank > Shape::max_rank) {
    fail(Code::shape, std::string(name) + " has " + std::to_string(rank) + " extents; there may be at most 4");
  }
  Shape result;
  for (std::uint32_t axis = 0; axis < rank; ++axis) {
    double extent = 0;
    const Napi::Value element = array[axis];
    if (napi_get_value_double(env_, element, &extent) != napi_ok) {
      fail(Code::argument, std::string(name) + "[" + std::to_string(axis) + "] must be a number, but is " +
                               describe(env_, element));
    }
    if (!(extent >= 1 && extent <= std::numeric_limits<std::int32_t>::max() && extent == std::floor(extent))) {
      fail(Code::shape, std::string(name) + "[" + std::to_string(axis) + "] is " + text_of(extent) +
                            "; extents are whole numbers from 1 to 2147483647");
    }
    result.push(static_cast<std::int64_t>(extent));
  }
  return result;
}

Napi::TypedArray Call::array(int i, const char* name) const {
  if (!argument(i).IsTypedArray()) wrong_type(argument(i), name, "a typed array");
  return argument(i).As<Napi::TypedArray>();
}

HandleBits Call::bits(napi_value value, const char* name, Kind kind) const {
  double number = 0;
  if (napi_get_value_double(env_, value, &number) != napi_ok) wrong_type(value, name, "a number");
  if (!(number >= 0 && number <= static_cast<double>(HandleBits::largest) && number == std::floor(number))) {
    fail(Code::argument, std::string(name) + " is " + text_of(number) + ", which is no " + name_of(kind) + " handle");
  }
  const HandleBits handle{static_cast<std::uint64_t>(number)};
  if (handle.kind() != kind && handle.generation() != 0) {
    fail(Code::argument, std::string(name) + " must be a " + name_of(kind) + ", but is a " + name_of(handle.kind()));
  }
  return handle;
}

std::string Call::unknown(napi_value value, Kind kind) const {
  return describe(env_, value) + " was never a handle of a " + name_of(kind);
}

template <class T, Kind kind>
T& Call::lookup(Handles<T, kind>& handles, napi_value value, const char* name) const {
  const HandleBits handle = bits(value, name, kind);
  T* found = handles.find(handle);
  if (found != nullptr) return *found;
  if (!handles.issued(handle)) fail(Code::disposed, std::string(name) + ": " + unknown(value, kind));
  fail(Code::disposed, std::string(name) + " was used after it, or its device, was disposed");
}

template <class Read>
void Call::each_element(int i, const char* name, const Read& read) const {
  if (!argument(i).IsArray()) wrong_type(argument(i), name, "an array of handles");
  const auto array = argument(i).As<Napi::Array>();
  for (std::uint32_t k = 0; k < array.Length(); ++k) {
    const Napi::Value element = array[k];
    read(element, (std::string(name) + "[" + std::to_string(k) + "]").c_str());
  }
}

bool Call::is_none(int i) const {
  double number = 1;
  return napi_get_value_double(env_, argument(i), &number) == napi_ok && number == 0;
}

void Call::use(Device& device, const char* name, const Pool::StoragePtr& storage) {
  if (device_ == nullptr) device_ = &device;
  if (device_ != &device) {
    fail(Code::device, std::string(name) + " lives on another device than the arguments before it; copy it over first");
  }
  if (device.pool.capturing() && storage->capture() != device.pool.capture()) device.captured.push_back(storage);
}

Device& Call::device(int i) {
  device_ = lookup(addon_.devices, argument(i), "device").get();
  return *device_;
}

TensorRecord& Call::record_of(napi_value value, const char* name) {
  TensorRecord& found = lookup(addon_.tensors, value, name);
  use(*found.device, name, found.storage);
  return found;
}

TensorRecord& Call::record(int i, const char* name) { return record_of(argument(i), name); }

std::vector<Tensor> Call::tensors(int i, const char* name) {
  std::vector<Tensor> found;
  each_element(i, name, [&](napi_value value, const char* each) { found.push_back(record_of(value, each).tensor); });
  return found;
}

Tensor Call::optional_tensor(int i, const char* name) { return is_none(i) ? Tensor{} : tensor(i, name); }

MaskRecord& Call::mask_record_of(napi_value value, const char* name) {
  MaskRecord& found = lookup(addon_.masks, value, name);
  use(*found.device, name, found.bits);
  return found;
}

MaskRecord& Call::mask_record(int i, const char* name) { return mask_record_of(argument(i), name); }

std::vector<ops::MaskRef> Call::masks(int i, const char* name) {
  std::vector<ops::MaskRef> found;
  each_element(i, name, [&](napi_value value, const char* each) { found.push_back(mask_record_of(value, each).mask); });
  return found;
}

ops::MaskRef Call::optional_mask(int i, const char* name) { return is_none(i) ? nullptr : mask(i, name); }

GraphRecord& Call::graph(int i) {
  GraphRecord& found = lookup(addon_.graphs, argument(i), "graph");
  device_ = found.device;
  return found;
}

void Call::not_while_capturing(const char* why) const {
  if (device_->pool.capturing()) {
    fail(Code::argument, std::string("not possible between captureBegin and captureEnd: ") + why);
  }
}

Output Call::output(const shape::Form& form) {
  shape::checked(op_, form.shape);
  Pool::StoragePtr storage =
      device_->pool.allocate(op_, storage_bytes(form.shape, form.dtype, form.format, form.border));
  Tensor tensor = form;
  tensor.data = storage->data();
  return {tensor, std::move(storage)};
}

Napi::Value Call::handle(Output output) {
  return add(addon_.tensors, TensorRecord{device_, output.tensor, std::move(output.storage)});
}

Napi::Value Call::optional_handle(Output output) {
  return output.tensor ? handle(std::move(output)) : Napi::Number::New(env_, 0);
}

Napi::Value Call::pair(Output first, Output second) {
  Napi::Array both = Napi::Array::New(env_, 2);
  both[0U] = handle(std::move(first));
  both[1U] = handle(std::move(second));
  return both;
}

}  // namespace s2sam::addon
