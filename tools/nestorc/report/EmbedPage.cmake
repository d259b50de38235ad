# Part of Nestor. SPDX-License-Identifier: Apache-2.0
#
# cmake -DOUT=Page.cpp -DPAGES=<this folder> -DCHART=<chart.min.js> -P EmbedPage.cmake
# Puts the style, the script and Chart.js into page.html, and the page into a
# C++ file, as two strings: what comes before the data and what comes after.
cmake_minimum_required(VERSION 3.25)
foreach(name html css js)
  file(READ ${PAGES}/page.${name} ${name})
endforeach()
file(READ ${CHART} chart)
if("${js}${chart}" MATCHES "</script|<!--")
  message(FATAL_ERROR "a script of the report would end its own element")
endif()
string(FIND "${html}" "@data@" at)
string(SUBSTRING "${html}" 0 ${at} before)
math(EXPR at "${at} + 6")
string(SUBSTRING "${html}" ${at} -1 after)
string(REPLACE "@style@" "${css}" before "${before}")
string(REPLACE "@chart@" "${chart}" after "${after}")
string(REPLACE "@script@" "${js}" after "${after}")
file(WRITE ${OUT} "// Made by EmbedPage.cmake.
extern const char *const kReportBefore, *const kReportAfter;
const char *const kReportBefore = R\"nestor(${before})nestor\";
const char *const kReportAfter = R\"nestor(${after})nestor\";
")
