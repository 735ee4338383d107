# build/Release/s2sam_images.node: image files to batches, with libjpeg-turbo.
find_package(JPEG)
if(NOT JPEG_FOUND)
  message(FATAL_ERROR "libjpeg-turbo is not to be had")
endif()
s2sam_read_sources("${CMAKE_CURRENT_SOURCE_DIR}" images image_sources)
s2sam_add_addon(s2sam_images "${image_sources}")
target_link_libraries(s2sam_images PRIVATE JPEG::JPEG)
