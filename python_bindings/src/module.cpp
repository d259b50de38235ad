//===- module.cpp - The extension module of the package nestor ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "binding.h"

#include <cstdlib>
#include <cstring>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nestor::python {

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

/// `NestorError.code`: the names of the enumerators.
static const char *code_name(StatusCode code) {
  switch (code) {
  case StatusCode::ok: return "ok";
  case StatusCode::invalid_argument: return "invalid_argument";
  case StatusCode::not_found: return "not_found";
  case StatusCode::io_error: return "io_error";
  case StatusCode::corrupt: return "corrupt";
  case StatusCode::incompatible: return "incompatible";
  case StatusCode::unsupported_cpu: return "unsupported_cpu";
  case StatusCode::exec_refused: return "exec_refused";
  case StatusCode::out_of_memory: return "out_of_memory";
  case StatusCode::data_loss: return "data_loss";
  }
  return "unknown";
}

void fail(StatusCode code, const std::string &message) {
  nb::object type = nb::module_::import_("nestor._error").attr("NestorError");
  // Names in a damaged file need not be UTF-8.
  nb::object text = nb::steal(
      PyUnicode_DecodeUTF8(message.data(), static_cast<Py_ssize_t>(message.size()), "replace"));
  nb::object error = type(code_name(code), text);
  PyErr_SetObject(type.ptr(), error.ptr());
  throw nb::python_error();
}

void check(const Status &status) {
  if (!status.ok())
    fail(status.code(), status.message());
}

//===----------------------------------------------------------------------===//
// Descriptions
//===----------------------------------------------------------------------===//

const char *numpy_name(DType type) {
  return type == DType::bfloat16 ? "uint16" : to_string(type);
}

std::string describe(const TensorInfo &tensor) {
  std::string text = to_string(tensor.dtype);
  text += " [";
  for (size_t i = 0; i < tensor.dims.size(); ++i)
    text += (i ? ", " : "") + std::to_string(tensor.dims[i]);
  return text + "]";
}

static std::string format(const char *pattern, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, pattern, value);
  return buffer;
}

static std::string describe(const CapacityInfo &capacity) {
  std::string text = "<nestor.Capacity " + format("%g", static_cast<double>(capacity.capacity)) +
                     ": " + std::to_string(capacity.macs) + " MACs";
  if (capacity.has_accuracy)
    text += ", accuracy " + format("%.4f", static_cast<double>(capacity.accuracy));
  return text + ">";
}

static std::string describe(const Artifact &artifact) {
  std::string text = "<nestor.Artifact '" + artifact.model_name() + "': capacities";
  for (const CapacityInfo &capacity : artifact.capacities())
    text += format(" %g", static_cast<double>(capacity.capacity));
  return text + ">";
}

template <typename T> static std::optional<T> given(bool has, T value) {
  return has ? std::optional<T>(value) : std::nullopt;
}

nb::tuple shape_of(const std::vector<int64_t> &dims) {
  nb::list list;
  for (int64_t dim : dims)
    list.append(dim);
  return nb::tuple(list);
}

static void bind_descriptions(nb::module_ &module) {
  nb::class_<TensorInfo>(module, "TensorInfo", nb::is_final())
      .def_ro("name", &TensorInfo::name)
      .def_prop_ro("dtype", [](const TensorInfo &t) { return to_string(t.dtype); })
      .def_prop_ro("shape", [](const TensorInfo &t) { return shape_of(t.dims); })
      .def_ro("bytes", &TensorInfo::bytes)
      .def("__repr__", [](const TensorInfo &t) {
        return "<nestor.TensorInfo '" + t.name + "': " + describe(t) + ">";
      });
  nb::class_<CapacityInfo>(module, "Capacity", nb::is_final())
      .def_ro("capacity", &CapacityInfo::capacity)
      .def_ro("requested", &CapacityInfo::requested)
      .def_ro("macs", &CapacityInfo::macs)
      .def_ro("weight_bytes", &CapacityInfo::weight_bytes)
      .def_ro("private_bytes", &CapacityInfo::private_bytes)
      .def_ro("delta_bytes", &CapacityInfo::delta_bytes)
      .def_ro("arena_bytes", &CapacityInfo::arena_bytes)
      .def_prop_ro("accuracy",
                   [](const CapacityInfo &c) { return given(c.has_accuracy, c.accuracy); })
      .def_prop_ro("agreement",
                   [](const CapacityInfo &c) { return given(c.has_agreement, c.agreement); })
      .def_prop_ro("latency_us",
                   [](const CapacityInfo &c) { return given(c.latency_us > 0, c.latency_us); })
      .def_ro("skipped", &CapacityInfo::skipped)
      .def_ro("input_extents", &CapacityInfo::input_extents)
      .def("__float__", [](const CapacityInfo &c) { return c.capacity; })
      .def("__repr__", [](const CapacityInfo &c) { return describe(c); });
  nb::class_<CodeTarget>(module, "Target", nb::is_final())
      .def_ro("name", &CodeTarget::name)
      .def_ro("arch", &CodeTarget::arch)
      .def_ro("features", &CodeTarget::features)
      .def_ro("runnable", &CodeTarget::runnable)
      .def_ro("selected", &CodeTarget::selected)
      .def("__repr__", [](const CodeTarget &t) { return "<nestor.Target '" + t.name + "'>"; });
}

//===----------------------------------------------------------------------===//
// Artifacts
//===----------------------------------------------------------------------===//

static ArtifactOptions read_options(const std::string &verify, const std::string &target) {
  if (verify != "code" && verify != "all")
    fail(StatusCode::invalid_argument, "verify is 'code' or 'all', not '" + verify + "'");
  return ArtifactOptions().verify(verify == "all" ? Verify::all : Verify::code).target(target);
}

/// `open` makes a Result<Artifact>; other Python threads run meanwhile.
template <typename Open> static Artifact open_unlocked(Open open) {
  Result<Artifact> opened = [&] {
    nb::gil_scoped_release release;
    return open();
  }();
  check(opened.status());
  return std::move(opened).value();
}

static OpenedArtifact open_path(nb::object path, const std::string &verify,
                                const std::string &target) {
  ArtifactOptions options = read_options(verify, target);
  // Strings and os.PathLike, in the file system's encoding.
  nb::object bytes = nb::module_::import_("os").attr("fsencode")(path);
  std::string name(PyBytes_AS_STRING(bytes.ptr()),
                   static_cast<size_t>(PyBytes_GET_SIZE(bytes.ptr())));
  if (name.find('\0') != std::string::npos)
    fail(StatusCode::invalid_argument, "the path holds a null character");
  return {nullptr, open_unlocked([&] { return Artifact::open(name, options); })};
}

static OpenedArtifact open_fd(int fd, uint64_t offset, uint64_t length, const std::string &verify,
                              const std::string &target) {
  ArtifactOptions options = read_options(verify, target);
  return {nullptr, open_unlocked([&] { return Artifact::open(fd, offset, length, options); })};
}

/// A copy, since Python aligns bytes to 16 and an artifact needs 64.
static OpenedArtifact open_bytes(nb::bytes data, const std::string &verify,
                                 const std::string &target) {
  ArtifactOptions options = read_options(verify, target);
  constexpr size_t alignment = 64;
  size_t rounded = (data.size() / alignment + 1) * alignment;
  std::shared_ptr<void> memory(std::aligned_alloc(alignment, rounded), std::free);
  if (!memory)
    fail(StatusCode::out_of_memory, "cannot allocate " + std::to_string(rounded) + " bytes");
  std::memcpy(memory.get(), data.c_str(), data.size());
  auto open = [&] { return Artifact::open(memory.get(), data.size(), options); };
  Artifact artifact = open_unlocked(open);
  return {std::move(memory), std::move(artifact)};
}

static void verify_all(const OpenedArtifact &self) {
  Status status = [&] {
    nb::gil_scoped_release release;
    return self.artifact.verify();
  }();
  check(status);
}

static OpenedArtifact variant(const OpenedArtifact &self, const std::string &precision) {
  auto open = [&] { return self.artifact.variant(precision); };
  return {self.memory, open_unlocked(open)};
}

static nb::class_<OpenedArtifact> bind_artifact(nb::module_ &module) {
  nb::class_<OpenedArtifact> artifact(module, "Artifact", nb::is_final());
  artifact
      .def_static("open", open_path, nb::arg("path"), nb::kw_only(), nb::arg("verify") = "code",
                  nb::arg("target") = "")
      .def_static("open_fd", open_fd, nb::arg("fd"), nb::arg("offset"), nb::arg("length"),
                  nb::kw_only(), nb::arg("verify") = "code", nb::arg("target") = "")
      .def_static("from_bytes", open_bytes, nb::arg("data"), nb::kw_only(),
                  nb::arg("verify") = "code", nb::arg("target") = "")
      .def("variant", variant, nb::arg("precision"))
      .def("verify", verify_all)
      .def("__repr__", [](const OpenedArtifact &self) { return describe(self.artifact); });
#define NESTOR_PROPERTY(name)                                                  \
  artifact.def_prop_ro(#name, [](const OpenedArtifact &self) { return self.artifact.name(); })
  NESTOR_PROPERTY(model_name);
  NESTOR_PROPERTY(producer);
  NESTOR_PROPERTY(inputs);
  NESTOR_PROPERTY(outputs);
  NESTOR_PROPERTY(capacities);
  NESTOR_PROPERTY(targets);
  NESTOR_PROPERTY(file_bytes);
  NESTOR_PROPERTY(mapped_bytes);
  NESTOR_PROPERTY(complete);
#undef NESTOR_PROPERTY
  return artifact;
}

} // namespace nestor::python

NB_MODULE(_nestor, module) {
  using namespace nestor::python;
  bind_descriptions(module);
  nb::class_<OpenedArtifact> artifact = bind_artifact(module);
  bind_cuts(module, artifact);
  bind_session(module, artifact);
}
