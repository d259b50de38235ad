//===- TuneCache.cpp - What was measured on a machine, as a file ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/tune/TuneCache.h"

#include "compiler/package/FileLayout.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>

using namespace llvm;

namespace nestor::tune {

/// A file of another version has other entries, or other candidates in them.
static constexpr int64_t kVersion = 1;
static constexpr StringLiteral kVersionKey = "nestor_tune", kEntriesKey = "entries",
                               kChoiceKey = "choice", kTimesKey = "us";

static Error refuse(StringRef name, const Twine &reason) {
  return createStringError(inconvertibleErrorCode(),
                           name + ": " + reason +
                               "; delete the file, or name another one, and --tune measures again");
}

/// None where `value` is no entry.
static std::optional<TuneEntry> parseEntry(const json::Value &value) {
  const json::Object *object = value.getAsObject();
  const json::Object *times = object ? object->getObject(kTimesKey) : nullptr;
  if (!times || times->empty())
    return std::nullopt;
  TuneEntry entry;
  for (const auto &[candidate, time] : *times) {
    std::optional<double> number = time.getAsNumber();
    if (!number || !std::isfinite(*number) || *number < 0)
      return std::nullopt;
    entry.microseconds[candidate.str()] = *number;
  }
  if (const json::Value *choice = object->get(kChoiceKey)) {
    std::optional<StringRef> text = choice->getAsString();
    if (!text || !entry.microseconds.count(text->str()))
      return std::nullopt;
    entry.choice = text->str();
  }
  return entry;
}

Expected<TuneCache> TuneCache::parse(StringRef text, StringRef name) {
  Expected<json::Value> document = json::parse(text);
  if (!document)
    return refuse(name, "no file of --tune: " + toString(document.takeError()));
  const json::Object *object = document->getAsObject();
  std::optional<int64_t> version = object ? object->getInteger(kVersionKey) : std::nullopt;
  if (!version)
    return refuse(name, "no file of --tune: it has no \"" + kVersionKey + "\"");
  if (*version != kVersion)
    return refuse(name, "it has version " + Twine(*version) +
                            " of the tuning file, and this nestorc reads " + Twine(kVersion));
  const json::Object *list = object->getObject(kEntriesKey);
  if (!list)
    return refuse(name, "it has no \"" + kEntriesKey + "\"");
  TuneCache cache;
  for (const auto &[key, value] : *list) {
    std::optional<TuneEntry> entry = parseEntry(value);
    if (!entry)
      return refuse(name, "the entry \"" + key.str() + "\" has no times, or a choice without one");
    cache.entries[key.str()] = std::move(*entry);
  }
  return cache;
}

Expected<TuneCache> TuneCache::read(StringRef path) {
  auto file = MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!file && file.getError() == std::errc::no_such_file_or_directory)
    return TuneCache();
  if (!file)
    return createStringError(file.getError(), path + ": " + file.getError().message());
  return parse((*file)->getBuffer(), path);
}

const TuneEntry *TuneCache::find(StringRef key) const {
  auto found = entries.find(key.str());
  return found == entries.end() ? nullptr : &found->second;
}

const TuneEntry &TuneCache::add(StringRef key, TuneEntry entry) {
  for (auto &[candidate, time] : entry.microseconds)
    time = std::round(time * 1e3) / 1e3;
  isChanged = true;
  return entries[key.str()] = std::move(entry);
}

static void writeEntry(const TuneEntry &entry, json::OStream &out) {
  if (!entry.choice.empty())
    out.attribute(kChoiceKey, entry.choice);
  out.attributeObject(kTimesKey, [&] {
    for (const auto &[candidate, time] : entry.microseconds) {
      out.attributeBegin(candidate);
      out.rawValue(formatv("{0:F3}", time).str()); // As a double it could have seventeen digits.
      out.attributeEnd();
    }
  });
}

std::string TuneCache::text() const {
  std::string text;
  raw_string_ostream stream(text);
  json::OStream out(stream, /*IndentSize=*/2);
  out.object([&] {
    out.attribute(kVersionKey, kVersion);
    out.attributeObject(kEntriesKey, [&] {
      for (const auto &entry : entries)
        out.attributeObject(entry.first, [&] { writeEntry(entry.second, out); });
    });
  });
  return text + "\n";
}

Error TuneCache::write(StringRef path) const {
  return package::writeWhole(arrayRefFromStringRef(text()), path);
}

} // namespace nestor::tune
