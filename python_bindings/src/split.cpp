//===- split.cpp - Heads, tails and what is known of cuts -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "session.h"

#include <cmath>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nestor::python {

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

static TensorEncoding read_encoding(const std::string &name) {
  for (TensorEncoding encoding :
       {TensorEncoding::exact, TensorEncoding::f16, TensorEncoding::int8})
    if (name == to_string(encoding))
      return encoding;
  fail(StatusCode::invalid_argument, "dtype is 'f32', 'f16' or 'int8', not '" + name + "'");
}

static uint32_t read_cut(int64_t cut) {
  if (cut < 0 || cut > UINT32_MAX)
    fail(StatusCode::invalid_argument, "there is no cut " + std::to_string(cut));
  return static_cast<uint32_t>(cut);
}

namespace {

/// The memory of a bytes-like object.
class Buffer {
public:
  explicit Buffer(nb::handle object) {
    if (PyObject_GetBuffer(object.ptr(), &view, PyBUF_SIMPLE) != 0)
      throw nb::python_error();
  }
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;
  ~Buffer() { PyBuffer_Release(&view); }

  TensorSource source() const { return TensorSource(view.buf, static_cast<size_t>(view.len)); }

private:
  Py_buffer view;
};

} // namespace

/// What `run` writes to a sink, as bytes. They are made as large as the largest
/// capacity needs and shortened, so that nothing is copied.
template <typename Run>
static nb::bytes write_stream(SessionHandle &self, uint32_t cut, const std::string &dtype, Run run) {
  TensorEncoding encoding = read_encoding(dtype);
  Result<uint64_t> room = self.opened.artifact.stream_bytes(cut, encoding);
  check(room.status());
  nb::bytes bytes = nb::steal<nb::bytes>(
      PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(room.value())));
  if (!bytes.is_valid())
    throw nb::python_error();
  TensorSink sink(PyBytes_AS_STRING(bytes.ptr()), room.value(), encoding);
  run_unlocked(self, [&] { return run(sink); });
  PyObject *shortened = bytes.release().ptr();
  if (_PyBytes_Resize(&shortened, static_cast<Py_ssize_t>(sink.size())) != 0)
    throw nb::python_error();
  return nb::steal<nb::bytes>(shortened);
}

static nb::bytes run_head(SessionHandle &self, int64_t cut, nb::handle feeds,
                          const std::string &dtype) {
  std::vector<Array> arrays;
  if (!feeds.is_none())
    arrays = read_feeds(self, nb::cast<nb::dict>(feeds));
  const uint32_t at = read_cut(cut);
  return write_stream(self, at, dtype, [&](TensorSink &sink) {
    Status status = copy_feeds(self, arrays);
    return status.ok() ? self.session.run_head(at, sink) : status;
  });
}

static nb::dict run_tail(SessionHandle &self, int64_t cut, nb::handle stream, nb::handle names) {
  const uint32_t at = read_cut(cut);
  Buffer buffer(stream);
  Results results(self, names);
  run_unlocked(self, [&] {
    Status status = self.session.run_tail(at, buffer.source());
    return status.ok() ? results.copy() : status;
  });
  return results.arrays;
}

static nb::bytes run_blocks(SessionHandle &self, int64_t first, int64_t end, nb::handle stream,
                            const std::string &dtype) {
  const uint32_t from = read_cut(first), to = read_cut(end);
  Buffer buffer(stream);
  return write_stream(self, to, dtype, [&](TensorSink &sink) {
    return self.session.run_blocks(from, to, buffer.source(), sink);
  });
}

void bind_split(nb::class_<SessionHandle> &session) {
  session
      .def("run_head", run_head, nb::arg("cut"), nb::arg("feeds") = nb::none(), nb::kw_only(),
           nb::arg("dtype") = "f32")
      .def("run_tail", run_tail, nb::arg("cut"), nb::arg("stream"),
           nb::arg("outputs") = nb::none())
      .def("run_blocks", run_blocks, nb::arg("first"), nb::arg("end"), nb::arg("stream"),
           nb::kw_only(), nb::arg("dtype") = "f32")
      .def_prop_ro("blocks", [](const SessionHandle &self) {
        return std::pair(self.session.blocks().first, self.session.blocks().end);
      });
}

//===----------------------------------------------------------------------===//
// Descriptions
//===----------------------------------------------------------------------===//

static std::vector<CutInfo> cuts_of(const OpenedArtifact &self, float capacity) {
  const std::vector<CapacityInfo> &known = self.artifact.capacities();
  // As sessions find them.
  for (float CapacityInfo::*fraction : {&CapacityInfo::capacity, &CapacityInfo::requested})
    for (size_t i = 0; i < known.size(); ++i)
      if (std::fabs(known[i].*fraction - capacity) <= 1e-3f)
        return self.artifact.cuts(i);
  fail(StatusCode::not_found, "there is no capacity " + std::to_string(capacity));
}

static uint64_t stream_bytes(const OpenedArtifact &self, int64_t cut, const std::string &dtype) {
  Result<uint64_t> bytes = self.artifact.stream_bytes(read_cut(cut), read_encoding(dtype));
  check(bytes.status());
  return bytes.value();
}

static uint64_t minimum_budget(const OpenedArtifact &self, float capacity) {
  Result<uint64_t> bytes = self.artifact.minimum_budget(capacity);
  check(bytes.status());
  return bytes.value();
}

void bind_cuts(nb::module_ &module, nb::class_<OpenedArtifact> &artifact) {
  nb::class_<LiveTensorInfo>(module, "LiveTensor", nb::is_final())
      .def_ro("name", &LiveTensorInfo::name)
      .def_prop_ro("dtype", [](const LiveTensorInfo &t) { return to_string(t.dtype); })
      .def_prop_ro("shape", [](const LiveTensorInfo &t) { return shape_of(t.dims); })
      .def_ro("bytes", &LiveTensorInfo::bytes);
  nb::class_<CutInfo>(module, "Cut", nb::is_final())
      .def_ro("index", &CutInfo::index)
      .def_ro("name", &CutInfo::name)
      .def_ro("live_bytes", &CutInfo::live_bytes)
      .def_ro("live_bytes_f16", &CutInfo::live_bytes_f16)
      .def_ro("live_bytes_int8", &CutInfo::live_bytes_int8)
      .def_ro("macs_before", &CutInfo::macs_before)
      .def_ro("macs_after", &CutInfo::macs_after)
      .def_ro("front_bytes", &CutInfo::front_bytes)
      .def_ro("back_bytes", &CutInfo::back_bytes)
      .def_ro("dominated", &CutInfo::dominated)
      .def_ro("live", &CutInfo::live)
      .def("__repr__", [](const CutInfo &cut) {
        return "<nestor.Cut " + std::to_string(cut.index) + " behind '" + cut.name +
               "': " + std::to_string(cut.live_bytes) + " bytes live>";
      });
  nb::class_<MixedInfo>(module, "Mixed", nb::is_final())
      .def_ro("head", &MixedInfo::head)
      .def_ro("tail", &MixedInfo::tail)
      .def_ro("cut", &MixedInfo::cut)
      .def_ro("accuracy", &MixedInfo::accuracy);
  artifact.def("cuts", cuts_of, nb::arg("capacity") = 1.0f)
      .def("stream_bytes", stream_bytes, nb::arg("cut"), nb::kw_only(), nb::arg("dtype") = "f32")
      .def("minimum_budget", minimum_budget, nb::arg("capacity") = 1.0f)
      .def_prop_ro("mixed", [](const OpenedArtifact &self) { return self.artifact.mixed(); })
      .def_prop_ro("present_blocks", [](const OpenedArtifact &self) {
        BlockRange present = self.artifact.present_blocks();
        return std::pair(present.first, present.end);
      });
}

} // namespace nestor::python
