#include <cstring>
#include <memory>

#include "addon/call.hpp"

namespace s2sam::addon {

namespace {

/// The type JavaScript sees: f16 and bf16 are read and written as f32.
DType host_type(DType dtype) { return is_half(dtype) ? DType::f32 : dtype; }

const char* array_name(DType dtype) {
  switch (host_type(dtype)) {
    case DType::i32: return "Int32Array";
    case DType::u32: return "Uint32Array";
    case DType::u8: return "Uint8Array";
    default: return "Float32Array";
  }
}

bool matches(napi_typedarray_type type, DType dtype) {
  switch (host_type(dtype)) {
    case DType::i32: return type == napi_int32_array;
    case DType::u32: return type == napi_uint32_array;
    case DType::u8: return type == napi_uint8_array || type == napi_uint8_clamped_array;
    default: return type == napi_float32_array;
  }
}

Napi::Value typed_array(Napi::Env env, DType dtype, std::size_t count, Napi::ArrayBuffer buffer) {
  switch (host_type(dtype)) {
    case DType::i32: return Napi::Int32Array::New(env, count, buffer, 0);
    case DType::u32: return Napi::Uint32Array::New(env, count, buffer, 0);
    case DType::u8: return Napi::Uint8Array::New(env, count, buffer, 0);
    default: return Napi::Float32Array::New(env, count, buffer, 0);
  }
}

/// A JavaScript ArrayBuffer by its constructor, which throws where napi_create_arraybuffer would end the process.
Napi::ArrayBuffer array_buffer(const Call& call, std::size_t bytes) {
  try {
    const auto constructor = call.env().Global().Get("ArrayBuffer").As<Napi::Function>();
    return constructor.New({Napi::Number::New(call.env(), static_cast<double>(bytes))}).As<Napi::ArrayBuffer>();
  } catch (const Napi::Error&) {
    call.fail(Code::out_of_memory, "JavaScript has no " + std::to_string(bytes) + " bytes for the array; read smaller views");
  }
}

Napi::Value create(Call& call) {
  call.device(0);
  const DType dtype = call.dtype(1);
  Output y = call.output(shape::create(dtype, call.shape(2, "shape"), call.boolean(3, "activation")));
  ops::fill(call.stream(), y.tensor, 0);
  return call.handle(std::move(y));
}

Napi::Value view(Call& call) {
  const TensorRecord& record = call.record(0, "tensor");
  const std::int64_t offset = call.integer(1, "offset", 0, HandleBits::largest);
  return call.handle({shape::view(record.tensor, offset, call.shape(2, "shape")), record.storage});
}

Napi::Value dispose(Call& call) {
  HandleBits handle;
  if (call.alive(call.addon().tensors, 0, handle)) call.addon().tensors.remove(handle);
  return call.undefined();
}

Napi::Value shape_of(Call& call) {
  const Shape& shape = call.tensor(0, "tensor").shape;
  Napi::Array result = Napi::Array::New(call.env(), static_cast<std::size_t>(shape.rank()));
  for (int axis = 0; axis < shape.rank(); ++axis) {
    result[static_cast<std::uint32_t>(axis)] = static_cast<double>(shape[axis]);
  }
  return result;
}

Napi::Value stores_type(Call& call) { return Napi::Boolean::New(call.env(), stores(call.dtype(0))); }

Napi::Value dtype(Call& call) { return Napi::String::New(call.env(), name_of(call.tensor(0, "tensor").dtype)); }

Napi::Value is_activation(Call& call) {
  return Napi::Boolean::New(call.env(), call.tensor(0, "tensor").format == Format::activation);
}

Napi::Value write(Call& call) {
  const Tensor& tensor = call.tensor(0, "tensor");
  call.not_while_capturing("a recorded step would repeat this data for ever; write before captureBegin or between replays");
  const Napi::TypedArray data = call.array(1, "data");
  if (!matches(data.TypedArrayType(), tensor.dtype)) {
    call.fail(Code::dtype, std::string("data must be a ") + array_name(tensor.dtype) + " for a tensor of " + name_of(tensor.dtype));
  }
  const std::size_t count = static_cast<std::size_t>(tensor.shape.count());
  if (data.ElementLength() != count) {
    call.fail(Code::shape, "data has " + std::to_string(data.ElementLength()) + " elements, but the tensor " +
                               tensor.shape.string() + " has " + std::to_string(count));
  }
  const auto* bytes = static_cast<const std::uint8_t*>(data.ArrayBuffer().Data()) + data.ByteOffset();
  const std::shared_ptr<std::uint8_t[]> staging = std::make_shared_for_overwrite<std::uint8_t[]>(data.ByteLength());
  std::memcpy(staging.get(), bytes, data.ByteLength());
  backend::upload(call.stream(), std::shared_ptr<const void>(staging, staging.get()), tensor);
  return call.undefined();
}

Napi::Value read(Call& call) {
  const Tensor& tensor = call.tensor(0, "tensor");
  call.not_while_capturing("nothing runs while a step is recorded; read after captureEnd and replay");
  const std::size_t count = static_cast<std::size_t>(tensor.shape.count());
  Napi::ArrayBuffer buffer = array_buffer(call, count * size_of(host_type(tensor.dtype)));
  // The promise keeps the buffer alive; closing the device waits for the stream before it lets go of the promise.
  const auto kept = std::make_shared<Napi::Reference<Napi::ArrayBuffer>>(Napi::Persistent(buffer));
  backend::download(call.stream(), tensor, buffer.Data());
  return call.addon().pending.add(call.env(), call.device(), call.op(),
                                  [kept, dtype = tensor.dtype, count](Napi::Env env) {
                                    return typed_array(env, dtype, count, kept->Value());
                                  });
}

Napi::Value fill(Call& call) {
  const Tensor& y = call.tensor(0, "tensor");
  const double value = call.value(1, "value");
  shape::fill(y, value);
  ops::fill(call.stream(), y, value);
  return call.undefined();
}

Napi::Value copy(Call& call) {
  const Tensor& x = call.tensor(0, "from");
  const Tensor& y = call.tensor(1, "to");
  shape::copy(x, y);
  ops::copy(call.stream(), x, y);
  return call.undefined();
}

Napi::Value cast(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  Output y = call.output(shape::cast(x, call.dtype(1)));
  ops::copy(call.stream(), x, y.tensor);
  return call.handle(std::move(y));
}

Napi::Value gather(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  const Tensor& indices = call.tensor(1, "indices");
  Output y = call.output(shape::gather(x, indices));
  ops::gather(call.stream(), x, indices, y.tensor);
  return call.handle(std::move(y));
}

Napi::Value flatten(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  Output y = call.output(shape::flatten(x));
  Tensor as_images = y.tensor;  // the same elements, so that only the format changes
  as_images.shape = x.shape;
  ops::copy(call.stream(), x, as_images);
  return call.handle(std::move(y));
}

Napi::Value unflatten(Call& call) {
  constexpr std::int64_t largest = std::numeric_limits<std::int32_t>::max();
  const Tensor& x = call.tensor(0, "x");
  Output y = call.output(shape::unflatten(x, call.integer(1, "c", 1, largest), call.integer(2, "h", 1, largest),
                                          call.integer(3, "w", 1, largest)));
  Tensor as_images = x;
  as_images.shape = y.tensor.shape;
  ops::copy(call.stream(), as_images, y.tensor);
  return call.handle(std::move(y));
}

constexpr Method methods[] = {
    {"create", create}, {"view", view},   {"dispose", dispose}, {"shape", shape_of}, {"dtype", dtype},
    {"isActivation", is_activation},      {"write", write},     {"read", read},      {"fill", fill},
    {"copy", copy},     {"cast", cast},   {"gather", gather},   {"flatten", flatten}, {"unflatten", unflatten},
    {"stores", stores_type},
};

}  // namespace

Methods tensor_methods() { return methods; }

}  // namespace s2sam::addon
