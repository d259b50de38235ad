//===- Linker.cpp - Object files to a mappable image ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/Linker.h"

#include "lld/Common/CommonLinkerContext.h"
#include "lld/Common/Driver.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace llvm;

namespace nestor::package {
namespace {

Error error(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

Error writeFile(StringRef path, StringRef contents) {
  std::error_code code;
  raw_fd_ostream stream(path, code);
  if (code)
    return error("cannot write " + path + ": " + code.message());
  stream << contents;
  stream.close();
  if (stream.has_error()) {
    code = stream.error();
    stream.clear_error();
    return error("cannot write " + path + ": " + code.message());
  }
  return Error::success();
}

Error runLinker(ArrayRef<std::string> inputs, const std::string &output) {
  // The objects hold nothing but kernels: everything exported is an entry
  // point, and what no kernel reaches goes.
  std::vector<const char *> arguments{
      "ld.lld",          "-shared",        "-z",  "defs",         "-z",
      "text",            "-z",             "max-page-size=65536", "-z",
      "noexecstack",     "-z",             "norelro",             "-z",
      "rodynamic",       "-Bsymbolic",     "--gc-sections",       "--build-id=none",
      "--hash-style=gnu", "--no-rosegment", "--strip-all",        "--threads=1",
      "-o",              output.c_str()};
  for (const std::string &input : inputs)
    arguments.push_back(input.c_str());

  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  std::string diagnostics;
  raw_string_ostream stream(diagnostics);
  lld::Result result = lld::lldMain(arguments, stream, stream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0)
    return error("linking the kernels failed: " + StringRef(diagnostics).trim());
  return Error::success();
}

using ElfFile = object::ELFFile<object::ELF64LE>;

Error checkSegments(const ElfFile &file) {
  auto segments = file.program_headers();
  if (!segments)
    return segments.takeError();
  for (const auto &segment : *segments) {
    if (segment.p_type == ELF::PT_TLS)
      return error("the code image has thread-local storage");
    if (segment.p_type == ELF::PT_LOAD && (segment.p_flags & ELF::PF_W) &&
        (segment.p_flags & ELF::PF_X))
      return error("the code image has a segment that is writable and executable");
  }
  auto entries = file.dynamicEntries();
  if (!entries)
    return entries.takeError();
  for (const auto &entry : *entries)
    if (entry.d_tag == ELF::DT_NEEDED)
      return error("the code image needs a library");
  return Error::success();
}

Error checkRelocations(const ElfFile &file) {
  auto sections = file.sections();
  if (!sections)
    return sections.takeError();
  unsigned relative = file.getHeader().e_machine == ELF::EM_AARCH64
                          ? unsigned(ELF::R_AARCH64_RELATIVE)
                          : unsigned(ELF::R_X86_64_RELATIVE);
  for (const auto &section : *sections) {
    if (section.sh_type != ELF::SHT_RELA)
      continue;
    auto relocations = file.relas(section);
    if (!relocations)
      return relocations.takeError();
    for (const auto &relocation : *relocations)
      if (relocation.getType(false) != relative)
        return error("the code image has a relocation of type " +
                     Twine(relocation.getType(false)));
  }
  return Error::success();
}

/// The addresses of the defined dynamic symbols.
Expected<StringMap<uint64_t>> readSymbols(const ElfFile &file) {
  StringMap<uint64_t> addresses;
  auto sections = file.sections();
  if (!sections)
    return sections.takeError();
  for (const auto &section : *sections) {
    if (section.sh_type != ELF::SHT_DYNSYM)
      continue;
    auto symbols = file.symbols(&section);
    auto names = file.getStringTableForSymtab(section);
    if (!symbols)
      return symbols.takeError();
    if (!names)
      return names.takeError();
    for (const auto &symbol : symbols->drop_front()) {
      auto name = symbol.getName(*names);
      if (!name)
        return name.takeError();
      if (symbol.isUndefined())
        return error("the code image has the undefined symbol '" + *name + "'");
      addresses[*name] = symbol.st_value;
    }
  }
  return addresses;
}

} // namespace

Expected<std::string> linkShared(ArrayRef<StringRef> objects) {
  SmallString<128> directory;
  if (std::error_code code = sys::fs::createUniqueDirectory("nestorc", directory))
    return error("cannot create a temporary directory: " + code.message());
  scope_exit cleanup([&] { sys::fs::remove_directories(directory); });

  std::vector<std::string> inputs;
  for (StringRef object : objects) {
    inputs.push_back((directory + "/" + Twine(inputs.size()) + ".o").str());
    if (Error failed = writeFile(inputs.back(), object))
      return failed;
  }
  std::string output = (directory + "/image.so").str();
  if (Error failed = runLinker(inputs, output))
    return failed;
  auto image = MemoryBuffer::getFile(output, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!image)
    return error("cannot read " + output + ": " + image.getError().message());
  return (*image)->getBuffer().str();
}

Expected<std::vector<uint64_t>> readEntries(StringRef elf, ArrayRef<StringRef> symbols) {
  auto file = ElfFile::create(elf);
  if (!file)
    return file.takeError();
  if (Error failed = checkSegments(*file))
    return failed;
  if (Error failed = checkRelocations(*file))
    return failed;
  auto addresses = readSymbols(*file);
  if (!addresses)
    return addresses.takeError();
  std::vector<uint64_t> entries;
  for (StringRef symbol : symbols) {
    auto found = addresses->find(symbol);
    if (found == addresses->end())
      return error("the code image lacks the kernel '" + symbol + "'");
    entries.push_back(found->second);
  }
  return entries;
}

} // namespace nestor::package
