//===- c_api.cpp - The C interface: codes, types and errors ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "c_api.h"

using namespace nestor;
using namespace nestor::detail;

// The enumerations of both languages are one.
template <typename C, typename Cpp> static constexpr bool same(C c, Cpp cpp) {
  return static_cast<int>(c) == static_cast<int>(cpp);
}
static_assert(same(NESTOR_OK, StatusCode::ok) &&
              same(NESTOR_INVALID_ARGUMENT, StatusCode::invalid_argument) &&
              same(NESTOR_NOT_FOUND, StatusCode::not_found) &&
              same(NESTOR_IO_ERROR, StatusCode::io_error) &&
              same(NESTOR_CORRUPT, StatusCode::corrupt) &&
              same(NESTOR_INCOMPATIBLE, StatusCode::incompatible) &&
              same(NESTOR_UNSUPPORTED_CPU, StatusCode::unsupported_cpu) &&
              same(NESTOR_EXEC_REFUSED, StatusCode::exec_refused) &&
              same(NESTOR_OUT_OF_MEMORY, StatusCode::out_of_memory) &&
              same(NESTOR_DATA_LOSS, StatusCode::data_loss));
static_assert(same(NESTOR_FLOAT32, DType::float32) && same(NESTOR_FLOAT64, DType::float64) &&
              same(NESTOR_FLOAT16, DType::float16) && same(NESTOR_BFLOAT16, DType::bfloat16) &&
              same(NESTOR_INT8, DType::int8) && same(NESTOR_INT16, DType::int16) &&
              same(NESTOR_INT32, DType::int32) && same(NESTOR_INT64, DType::int64) &&
              same(NESTOR_UINT8, DType::uint8) && same(NESTOR_UINT16, DType::uint16) &&
              same(NESTOR_UINT32, DType::uint32) && same(NESTOR_UINT64, DType::uint64) &&
              same(NESTOR_BOOL, DType::boolean));
static_assert(same(NESTOR_VERIFY_CODE, Verify::code) && same(NESTOR_VERIFY_ALL, Verify::all));
static_assert(same(NESTOR_LOAD_MAP, Load::map) && same(NESTOR_LOAD_COPY, Load::copy));
static_assert(same(NESTOR_UPGRADE_NONE, UpgradeProgress::State::none) &&
              same(NESTOR_UPGRADE_RUNNING, UpgradeProgress::State::running) &&
              same(NESTOR_UPGRADE_DONE, UpgradeProgress::State::done) &&
              same(NESTOR_UPGRADE_CANCELLED, UpgradeProgress::State::cancelled) &&
              same(NESTOR_UPGRADE_FAILED, UpgradeProgress::State::failed));
static_assert(same(NESTOR_ENCODING_EXACT, TensorEncoding::exact) &&
              same(NESTOR_ENCODING_F16, TensorEncoding::f16) &&
              same(NESTOR_ENCODING_INT8, TensorEncoding::int8));
static_assert(NESTOR_STREAM_HEADER_BYTES == kStreamHeaderBytes);

// Padding at the end of a struct would hide a field that is added there later:
// struct_size would not grow.
#define NESTOR_ENDS_WITH(type, field)                                          \
  static_assert(sizeof(type) == offsetof(type, field) + sizeof(type::field))
NESTOR_ENDS_WITH(nestor_tensor_info, reserved);
NESTOR_ENDS_WITH(nestor_capacity_info, input_extent_count);
NESTOR_ENDS_WITH(nestor_target_info, selected);
NESTOR_ENDS_WITH(nestor_cut_info, dominated);
NESTOR_ENDS_WITH(nestor_mixed_info, cut);
NESTOR_ENDS_WITH(nestor_upgrade_info, state);
NESTOR_ENDS_WITH(nestor_open_options, reserved2);
NESTOR_ENDS_WITH(nestor_session_options, reserved);
NESTOR_ENDS_WITH(nestor_capacity_goal, accuracy);

extern "C" {

uint32_t nestor_api_version(void) { return NESTOR_API_VERSION; }

const char *nestor_code_name(nestor_code code) {
  // StatusCode has one byte: other values would wrap.
  bool known = code >= NESTOR_OK && code <= NESTOR_DATA_LOSS;
  return known ? to_string(static_cast<StatusCode>(code)) : "unknown";
}

nestor_code nestor_error_code(const nestor_error *error) {
  return error ? static_cast<nestor_code>(error->status.code()) : NESTOR_OK;
}

const char *nestor_error_message(const nestor_error *error) {
  return error ? error->status.message().c_str() : "";
}

void nestor_error_free(nestor_error *error) { delete error; }

size_t nestor_dtype_size(nestor_dtype dtype) {
  bool known = dtype >= NESTOR_FLOAT32 && dtype <= NESTOR_BOOL;
  return known ? size_of(static_cast<DType>(dtype)) : 0;
}

const char *nestor_dtype_name(nestor_dtype dtype) {
  bool known = dtype >= NESTOR_FLOAT32 && dtype <= NESTOR_BOOL;
  return known ? to_string(static_cast<DType>(dtype)) : "";
}

} // extern "C"
