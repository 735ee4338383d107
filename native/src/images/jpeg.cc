#include "images/jpeg.hpp"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include <jpeglib.h>

#include <jerror.h>

#include "images/broken.hpp"

#ifndef JCS_EXTENSIONS
#error "libjpeg-turbo is needed; another libjpeg was found"
#endif

namespace s2sam::images {

namespace {

/// Pillow's limit, from which on an image counts as an attack.
constexpr std::int64_t most_pixels = 178'956'970;

/// libjpeg reports errors through this; a fatal one jumps back to `guarded`, since C++ exceptions must not cross C code.
struct Errors : jpeg_error_mgr {
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = "";
  bool ended_early = false;
};

void on_error(j_common_ptr info) {
  auto* errors = static_cast<Errors*>(info->err);
  errors->format_message(info, errors->message);
  std::longjmp(errors->jump, 1);
}

void on_message(j_common_ptr info, int level) {
  auto* errors = static_cast<Errors*>(info->err);
  if (level < 0 && errors->msg_code == JWRN_JPEG_EOF) errors->ended_early = true;
}

void prepare(Errors& errors) {
  jpeg_std_error(&errors);
  errors.error_exit = on_error;
  errors.emit_message = on_message;
}

/// Runs calls of libjpeg; throws Broken where one fails. `body` must own nothing, for it may be left by a jump.
template <class Body>
void guarded(Errors& errors, Body body) {
  if (setjmp(errors.jump) != 0) throw Broken(std::string("is not a sound JPEG: ") + errors.message);
  body();
}

/// Whether the marker that ends an image is among the last bytes; trailing bytes of other programs are let pass.
bool has_end(Bytes file) {
  constexpr std::size_t tail = 4096;
  const std::size_t stop = file.size() > tail ? file.size() - tail : 0;
  for (std::size_t i = file.size(); i-- > stop + 1;) {
    if (file[i - 1] == 0xFF && file[i] == JPEG_EOI) return true;
  }
  return false;
}

/// Pillow's way from the inverted CMYK of Adobe's programs to RGB, in place, for pixels of four bytes.
void cmyk_to_rgb(std::uint8_t* pixels, std::size_t count) {
  const auto product = [](unsigned a, unsigned b) {
    const unsigned sum = a * b + 128;
    return ((sum >> 8) + sum) >> 8;
  };
  for (std::size_t i = 0; i < count; ++i, pixels += 4) {
    const unsigned light = pixels[3];  // 255 - black
    for (int c = 0; c < 3; ++c) {
      pixels[c] = static_cast<std::uint8_t>(light - product(255u - pixels[c], light));
    }
  }
}

}  // namespace

bool is_jpeg(Bytes file) { return file.size() >= 3 && file[0] == 0xFF && file[1] == 0xD8 && file[2] == 0xFF; }

struct Jpeg::State {
  Errors errors;
  jpeg_decompress_struct info{};
  /// Where the end is missing, only decoding all of it tells whether anything else is.
  bool doubtful = false;
};

Jpeg::Jpeg(Bytes file) : state_(nullptr) {
  auto state = std::make_unique<State>();
  prepare(state->errors);
  state->info.err = &state->errors;
  jpeg_decompress_struct* info = &state->info;
  state->doubtful = !has_end(file);
  try {
    guarded(state->errors, [info, file] {
      jpeg_create_decompress(info);
      jpeg_mem_src(info, file.data(), static_cast<unsigned long>(file.size()));
      jpeg_read_header(info, TRUE);
    });
    if (static_cast<std::int64_t>(info->image_width) * info->image_height > most_pixels) {
      throw Broken("claims to have " + std::to_string(info->image_width) + "x" + std::to_string(info->image_height) +
                   " pixels, more than the " + std::to_string(most_pixels) + " that are taken");
    }
    if (state->errors.ended_early) throw Broken("ends inside the header of the JPEG");
  } catch (...) {
    jpeg_destroy_decompress(info);
    throw;
  }
  state_ = state.release();
}

Jpeg::~Jpeg() {
  const std::unique_ptr<State> owned(state_);
  jpeg_destroy_decompress(&owned->info);
}

Size Jpeg::size() const {
  return {static_cast<int>(state_->info.image_width), static_cast<int>(state_->info.image_height)};
}

bool Jpeg::plain() const {
  const J_COLOR_SPACE space = state_->info.jpeg_color_space;
  return space == JCS_GRAYSCALE || space == JCS_YCbCr;
}

Pixels Jpeg::decode(const Region& region, int shrink, std::vector<std::uint8_t>& scratch) {
  auto& [errors, info_, doubtful] = *state_;
  jpeg_decompress_struct* info = &info_;
  const bool inks = info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK;
  info->out_color_space = inks ? JCS_CMYK : JCS_EXT_RGBX;
  info->scale_num = 1;
  info->scale_denom = static_cast<unsigned>(shrink);
  guarded(errors, [info] { jpeg_start_decompress(info); });
  // Some columns more on either side, for colours at half resolution are interpolated from their neighbours.
  constexpr int margin = 8;
  const auto full_width = static_cast<int>(info->output_width), full_height = static_cast<int>(info->output_height);
  const int left = std::max(0, region.x.begin / shrink - margin);
  const int right = std::min(full_width, (region.x.end + shrink - 1) / shrink + margin);
  const int top = std::min(region.y.begin / shrink, full_height - 1);
  const int bottom = std::min(full_height, std::max(top + 1, (region.y.end + shrink - 1) / shrink));
  auto first = static_cast<JDIMENSION>(left), width = static_cast<JDIMENSION>(right - left);
  guarded(errors, [info, &first, &width] { jpeg_crop_scanline(info, &first, &width); });
  Pixels pixels;
  pixels.pixel_bytes = 4;
  pixels.row_bytes = static_cast<std::size_t>(width) * 4;
  pixels.left = static_cast<int>(first);
  pixels.top = top;
  pixels.width = static_cast<int>(width);
  pixels.height = bottom - top;
  scratch.resize(pixels.row_bytes * static_cast<std::size_t>(pixels.height + 1));
  pixels.data = scratch.data();
  std::uint8_t* rows = scratch.data();
  const std::size_t row_bytes = pixels.row_bytes;
  const auto begin = static_cast<JDIMENSION>(top), end = static_cast<JDIMENSION>(bottom);
  const bool to_the_end = doubtful;
  guarded(errors, [=] {
    if (begin > 0) jpeg_skip_scanlines(info, begin);
    while (info->output_scanline < end) {
      JSAMPROW row = rows + static_cast<std::size_t>(info->output_scanline - begin) * row_bytes;
      jpeg_read_scanlines(info, &row, 1);
    }
    JSAMPROW spare = rows + static_cast<std::size_t>(end - begin) * row_bytes;
    while (to_the_end && info->output_scanline < info->output_height) jpeg_read_scanlines(info, &spare, 1);
  });
  if (errors.ended_early) throw Broken("is truncated: its data end before the image is complete");
  if (inks) cmyk_to_rgb(scratch.data(), scratch.size() / 4);
  return pixels;
}

std::vector<std::uint8_t> encode_jpeg(const std::uint8_t* pixels, Size size, int quality) {
  Errors errors;
  prepare(errors);
  jpeg_compress_struct info_{};
  info_.err = &errors;
  jpeg_compress_struct* info = &info_;
  unsigned char* buffer = nullptr;
  unsigned long length = 0;
  unsigned char** to = &buffer;
  unsigned long* bytes = &length;
  const auto release = [info, to] {
    jpeg_destroy_compress(info);
    std::free(*to);
  };
  try {
    guarded(errors, [=] {
      jpeg_create_compress(info);
      jpeg_mem_dest(info, to, bytes);
      info->image_width = static_cast<JDIMENSION>(size.width);
      info->image_height = static_cast<JDIMENSION>(size.height);
      info->input_components = 3;
      info->in_color_space = JCS_RGB;
      jpeg_set_defaults(info);
      jpeg_set_quality(info, quality, TRUE);
      info->optimize_coding = TRUE;
      jpeg_start_compress(info, TRUE);
      const std::size_t row_bytes = static_cast<std::size_t>(size.width) * 3;
      while (info->next_scanline < info->image_height) {
        auto* row = const_cast<JSAMPROW>(pixels + info->next_scanline * row_bytes);
        jpeg_write_scanlines(info, &row, 1);
      }
      jpeg_finish_compress(info);
    });
    std::vector<std::uint8_t> file(buffer, buffer + length);
    release();
    return file;
  } catch (...) {
    release();
    throw;
  }
}

}  // namespace s2sam::images
