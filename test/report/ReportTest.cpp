//===- ReportTest.cpp - The page of compile --report ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "tools/nestorc/report/Report.h"

#include "llvm/Support/FileSystem.h"

#include <gtest/gtest.h>

using namespace llvm;
using namespace nestorc;

namespace {

constexpr StringRef kOpen = "<script type=\"application/json\" id=\"data\">";
constexpr StringRef kClose = "</script>";

/// What a browser takes for the content of the data's element.
StringRef dataOf(StringRef page) {
  size_t begin = page.find(kOpen);
  if (begin == StringRef::npos)
    return "";
  begin += kOpen.size();
  return page.slice(begin, page.find(kClose, begin));
}

/// A model whose author wants to write into the page.
json::Value hostile() {
  json::Object group{{"name", "</script><img src=x onerror=alert(1)>"},
                     {"widths", json::Array{8, 16}}};
  json::Object whole{{"node", "<!--<script>"}, {"reason", "\"quotes\" \\ and \xE2\x80\xA8"}};
  return json::Object{{"model", "@data@ @chart@ ${x}"},
                      {"groups", json::Array{std::move(group)}},
                      {"whole", json::Array{std::move(whole)}}};
}

TEST(Report, HoldsItsDataUnchanged) {
  json::Value document = hostile();
  std::string page = renderReport(document);
  Expected<json::Value> parsed = json::parse(dataOf(page));
  ASSERT_TRUE(bool(parsed)) << toString(parsed.takeError());
  EXPECT_EQ(*parsed, document);
}

TEST(Report, NamesDoNotBecomeMarkup) {
  std::string page = renderReport(hostile());
  EXPECT_EQ(StringRef(page).count("<img"), 0u);
  EXPECT_EQ(StringRef(page).count("<!--<script>"), 0u);
  // As many elements begin and end as in the page of a model without names.
  std::string plain = renderReport(json::Object{});
  EXPECT_EQ(StringRef(page).count("<script"), StringRef(plain).count("<script"));
  EXPECT_EQ(StringRef(page).count(kClose), StringRef(plain).count(kClose));
}

TEST(Report, StandsAlone) {
  std::string text = renderReport(json::Object{});
  StringRef page = text;
  EXPECT_TRUE(page.starts_with("<!doctype html>"));
  EXPECT_TRUE(page.trim().ends_with("</html>"));
  EXPECT_TRUE(page.contains("Chart.js v")) << "the library and its licence are inside";
  for (StringRef reference : {" src=", "<link", "@import", "url(", "fetch("})
    EXPECT_FALSE(page.contains(reference)) << reference.str();
  for (StringRef placeholder : {"@data@", "@style@", "@chart@", "@script@"})
    EXPECT_FALSE(page.contains(placeholder)) << placeholder.str();
}

TEST(Report, AFailureLeavesNoFile) {
  Error error = writeReport(json::Object{}, "/nonexistent/report.html");
  EXPECT_TRUE(bool(error));
  consumeError(std::move(error));
  EXPECT_FALSE(sys::fs::exists("/nonexistent/report.html"));
}

} // namespace
