//===- TuneCacheTest.cpp - The file of --tune -----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/tune/TuneCache.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"

#include <gtest/gtest.h>

using nestor::tune::TuneCache;
using nestor::tune::TuneEntry;

namespace {

TuneCache parsed(llvm::StringRef text) {
  llvm::Expected<TuneCache> cache = TuneCache::parse(text, "t.json");
  if (cache)
    return std::move(*cache);
  ADD_FAILURE() << llvm::toString(cache.takeError());
  return {};
}

std::string errorOf(llvm::StringRef text) {
  llvm::Expected<TuneCache> cache = TuneCache::parse(text, "t.json");
  return cache ? "" : llvm::toString(cache.takeError());
}

TEST(TuneCache, IsWrittenInOrder) {
  TuneCache cache;
  cache.add("second", {{{"direct", 30}, {"F(4)", 12.3456}}, ""});
  cache.add("first", {{{"7x3", 0.1}, {"14x2", 2}}, "7x3"});
  EXPECT_EQ(cache.text(), R"json({
  "nestor_tune": 1,
  "entries": {
    "first": {
      "choice": "7x3",
      "us": {
        "14x2": 2.000,
        "7x3": 0.100
      }
    },
    "second": {
      "us": {
        "F(4)": 12.346,
        "direct": 30.000
      }
    }
  }
}
)json");
}

TEST(TuneCache, ComesBackAsItWas) {
  TuneCache cache;
  EXPECT_FALSE(cache.changed());
  const TuneEntry &added = cache.add("a \"key\"", {{{"7x3", 1.0 / 3}, {"14x2", 1e7 / 3}}, "14x2"});
  EXPECT_TRUE(cache.changed());
  TuneCache again = parsed(cache.text());
  ASSERT_TRUE(again.find("a \"key\""));
  EXPECT_EQ(*again.find("a \"key\""), added);
  EXPECT_FALSE(again.changed());
  EXPECT_EQ(again.text(), cache.text());
  EXPECT_EQ(again.find("another"), nullptr);
}

TEST(TuneCache, AFileThatIsMissingIsEmpty) {
  llvm::SmallString<64> folder;
  ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("tune", folder));
  std::string path = (folder + "/t.json").str();
  TuneCache cache = llvm::cantFail(TuneCache::read(path));
  EXPECT_EQ(cache.size(), 0u);
  cache.add("key", {{{"7x3", 1}}, "7x3"});
  EXPECT_FALSE(bool(cache.write(path)));
  EXPECT_EQ(llvm::cantFail(TuneCache::read(path)).text(), cache.text());
  llvm::sys::fs::remove_directories(folder);
}

TEST(TuneCache, SaysWhatIsWrongAndHowToGoOn) {
  const std::string cure = "; delete the file, or name another one, and --tune measures again";
  EXPECT_EQ(errorOf("{}"), "t.json: no file of --tune: it has no \"nestor_tune\"" + cure);
  EXPECT_EQ(errorOf("[]"), "t.json: no file of --tune: it has no \"nestor_tune\"" + cure);
  EXPECT_EQ(errorOf(R"({"nestor_tune": 2, "entries": {}})"),
            "t.json: it has version 2 of the tuning file, and this nestorc reads 1" + cure);
  EXPECT_EQ(errorOf(R"({"nestor_tune": 1})"), "t.json: it has no \"entries\"" + cure);
  EXPECT_EQ(errorOf("{\"nestor_tune\": 1,").rfind("t.json: no file of --tune: ", 0), 0u);
  const std::string entry = "t.json: the entry \"k\" has no times, or a choice without one" + cure;
  for (const char *text :
       {"3", "{}", R"({"us": {}})", R"({"us": {"a": -1}})", R"({"us": {"a": "1"}})",
        R"({"us": {"a": 1}, "choice": "b"})", R"({"us": {"a": 1}, "choice": 1})"})
    EXPECT_EQ(errorOf(R"({"nestor_tune": 1, "entries": {"k": )" + std::string(text) + "}}"), entry)
        << text;
}

} // namespace
